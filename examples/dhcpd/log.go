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
		return newLineLog(stderr)
	}
	w, err := syslog.New(syslog.LOG_DAEMON|syslog.LOG_INFO, "dhcpd")
	if err != nil {
		log, end := newLineLog(stderr)
		log.Warn("no syslog, so the log goes to standard error: " + err.Error())
		return log, end
	}
	s := newSpool(func(text []byte, lines []line) { toSyslog(w, text, lines) })
	return zap.New(core{s}), func() { s.close(); w.Close() }
}

// newLineLog returns a log of bare lines.
func newLineLog(w io.Writer) (*zap.Logger, func()) {
	s := newSpool(func(text []byte, _ []line) {
		_, _ = w.Write(text) // who could be told?
	})
	return zap.New(core{s}), s.close
}

// toSyslog gives the levels of zap to syslog.
func toSyslog(w *syslog.Writer, text []byte, lines []line) {
	from := 0
	for _, l := range lines {
		s := string(text[from:l.end])
		from = l.end
		say := w.Info
		switch {
		case l.level >= zapcore.ErrorLevel:
			say = w.Err
		case l.level == zapcore.WarnLevel:
			say = w.Warning
		}
		_ = say(s) // the syslog is gone, and there is nobody else to tell
	}
}

// core is a zapcore.Core of bare lines. Fields, which few lines have, stand behind the message as JSON.
type core struct{ *spool }

func (core) Enabled(l zapcore.Level) bool { return l >= zapcore.InfoLevel }

func (c core) With(fields []zapcore.Field) zapcore.Core { return withFields{c, fields} }

func (c core) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return ce.AddCore(e, c)
	}
	return ce
}

func (c core) Write(e zapcore.Entry, fields []zapcore.Field) error {
	text := e.Message
	if len(fields) > 0 {
		enc := zapcore.NewConsoleEncoder(zapcore.EncoderConfig{MessageKey: "msg", SkipLineEnding: true})
		b, err := enc.EncodeEntry(e, fields)
		if err != nil {
			return err
		}
		text = b.String()
		b.Free()
	}
	c.add(e.Level, text)
	if e.Level > zapcore.ErrorLevel {
		c.flush() // the process may end now
	}
	return nil
}

func (c core) Sync() error { c.flush(); return nil }

// withFields is a core whose every line has fields.
type withFields struct {
	core
	fields []zapcore.Field
}

func (c withFields) With(fields []zapcore.Field) zapcore.Core {
	return withFields{c.core, append(c.fields[:len(c.fields):len(c.fields)], fields...)}
}

func (c withFields) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return ce.AddCore(e, c)
	}
	return ce
}

func (c withFields) Write(e zapcore.Entry, fields []zapcore.Field) error {
	return c.core.Write(e, append(c.fields[:len(c.fields):len(c.fields)], fields...))
}
