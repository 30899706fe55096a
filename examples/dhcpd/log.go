package main

import (
	"io"
	"log/syslog"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// newLog returns the log: lines as ISC dhcpd writes them, to standard error with -d and where there is no syslog, else
// to syslog. The function that comes with it is to be called at the end.
func newLog(o options, stderr io.Writer) (*zap.Logger, func()) {
	if o.debug || o.testConfig {
		return zap.New(lineCore(zapcore.AddSync(stderr))), func() {}
	}
	w, err := syslog.New(syslog.LOG_DAEMON|syslog.LOG_INFO, "dhcpd")
	if err != nil {
		log := zap.New(lineCore(zapcore.AddSync(stderr)))
		log.Warn("no syslog, so the log goes to standard error: " + err.Error())
		return log, func() {}
	}
	return zap.New(syslogCore{lineCore(zapcore.AddSync(w)), w}), func() { w.Close() }
}

// lineCore writes the bare messages, a line each.
func lineCore(w zapcore.WriteSyncer) zapcore.Core {
	enc := zapcore.NewConsoleEncoder(zapcore.EncoderConfig{MessageKey: "msg", LineEnding: "\n"})
	return zapcore.NewCore(enc, zapcore.Lock(w), zap.InfoLevel)
}

// syslogCore gives the levels of zap to syslog.
type syslogCore struct {
	zapcore.Core
	w *syslog.Writer
}

func (c syslogCore) With(f []zapcore.Field) zapcore.Core { return syslogCore{c.Core.With(f), c.w} }

func (c syslogCore) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return ce.AddCore(e, c)
	}
	return ce
}

func (c syslogCore) Write(e zapcore.Entry, f []zapcore.Field) error {
	enc := zapcore.NewConsoleEncoder(zapcore.EncoderConfig{MessageKey: "msg"})
	b, err := enc.EncodeEntry(e, f)
	if err != nil {
		return err
	}
	defer b.Free()
	switch {
	case e.Level >= zapcore.ErrorLevel:
		return c.w.Err(b.String())
	case e.Level == zapcore.WarnLevel:
		return c.w.Warning(b.String())
	}
	return c.w.Info(b.String())
}
