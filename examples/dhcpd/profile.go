package main

import (
	"errors"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"runtime"
	"time"

	"go.uber.org/zap"
)

// Every so many nanoseconds of waiting, and every so many contentions, one is in a profile.
const (
	blockRate     = 1e6
	mutexFraction = 100
)

// profile serves what net/http/pprof has, on a port of the loopback interface alone, since it tells all that is in
// memory. The function returned ends it.
func profile(port uint16, log *zap.Logger) (stop func(), err error) {
	at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port)
	l, err := net.Listen("tcp4", at.String())
	if err != nil {
		return nil, err
	}
	runtime.SetBlockProfileRate(blockRate)
	runtime.SetMutexProfileFraction(mutexFraction)
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	s := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			log.Error("no more profiles: " + err.Error())
		}
	}()
	log.Warn("profiles are served at http://" + l.Addr().String() + "/debug/pprof/")
	return func() { s.Close() }, nil
}
