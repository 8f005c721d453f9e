// A TLS Tunnel peer (version 1.5, transport tls) on hashicorp/yamux, in both roles, for tests only.
//
//	peer server --listen 127.0.0.1:0 --cert C --key K --auth-key A [--misbehave M]
//	peer client --gateway HOST:PORT --auth-key A [--proxy NAME:PUBLISH:LOCAL] [--visitor NAME:PUBLISH:BIND]
//
// One line on standard output for each event. Builds with Debian's packages alone:
// GO111MODULE=off GOPATH=/usr/share/gocode go build
package main

import (
	"crypto/tls"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/yamux"
)

// options of both roles; misbehave is one of
//
//	silent           TLS, then nothing
//	mute             yamux runs, the control stream is never answered
//	goaway           GoAway 0 once running
//	close-control    the control stream is closed once running
//	split            control messages leave one byte a frame
//	slow             each stream is read at 64 KiB a second
//	no-heartbeat     (client) no heartbeat
//	reject           (server) every configuration is refused
type options struct {
	listen, cert, key string
	gateway           string
	authKey           string
	misbehave         string
	window            uint
	tls12             bool
	proxies, visitors list
}

type list []string

func (l *list) String() string         { return strings.Join(*l, ",") }
func (l *list) Set(value string) error { *l = append(*l, value); return nil }

var output sync.Mutex

func say(format string, values ...interface{}) {
	output.Lock()
	defer output.Unlock()
	fmt.Printf(format+"\n", values...)
}

func fail(format string, values ...interface{}) {
	say("failed: "+format, values...)
	os.Exit(1)
}

func (o *options) yamux() *yamux.Config {
	config := yamux.DefaultConfig()
	config.LogOutput = os.Stderr
	config.MaxStreamWindowSize = uint32(o.window)
	if o.misbehave == "silent" {
		config.EnableKeepAlive = false
	}
	return config
}

// named is NAME:PUBLISH:OTHER, where OTHER is the local or the bind port.
type named struct {
	name           string
	publish, other int
}

func parseNamed(text string) named {
	parts := strings.Split(text, ":")
	if len(parts) != 3 {
		fail("%q is not NAME:PORT:PORT", text)
	}
	publish, err := strconv.Atoi(parts[1])
	if err != nil {
		fail("%q: %v", text, err)
	}
	other, err := strconv.Atoi(parts[2])
	if err != nil {
		fail("%q: %v", text, err)
	}
	return named{parts[0], publish, other}
}

// slow reads at most 64 KiB a second.
type slow struct{ io.Reader }

func (s slow) Read(buffer []byte) (int, error) {
	time.Sleep(100 * time.Millisecond)
	if len(buffer) > 6553 {
		buffer = buffer[:6553]
	}
	return s.Reader.Read(buffer)
}

func (o *options) reader(r io.Reader) io.Reader {
	if o.misbehave == "slow" {
		return slow{r}
	}
	return r
}

func closeWrite(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		tcp.CloseWrite()
	}
}

// relay joins a local connection and a stream. The library cannot read after it has closed its own
// side, so our FIN is sent only when the stream has ended or, where finFirst, when the local side has.
func (o *options) relay(conn net.Conn, stream net.Conn, finFirst bool) {
	done := make(chan struct{})
	go func() {
		_, err := io.Copy(stream, conn)
		if finFirst || err != nil {
			stream.Close()
		}
		close(done)
	}()
	_, err := io.Copy(conn, o.reader(stream))
	if finFirst && err == nil {
		closeWrite(conn)
		<-done
	}
	conn.Close()
	stream.Close()
	<-done
}

func main() {
	var o options
	if len(os.Args) < 2 {
		fail("usage: peer server|client [options]")
	}
	flags := flag.NewFlagSet("peer", flag.ExitOnError)
	flags.StringVar(&o.listen, "listen", "127.0.0.1:0", "server: address")
	flags.StringVar(&o.cert, "cert", "", "server: certificate")
	flags.StringVar(&o.key, "key", "", "server: key")
	flags.StringVar(&o.gateway, "gateway", "", "client: address")
	flags.StringVar(&o.authKey, "auth-key", "", "shared key")
	flags.StringVar(&o.misbehave, "misbehave", "", "a fault to show")
	flags.UintVar(&o.window, "window", 256*1024, "stream window")
	flags.BoolVar(&o.tls12, "tls12", false, "client: offer TLS 1.2 only")
	flags.Var(&o.proxies, "proxy", "client: NAME:PUBLISH:LOCAL")
	flags.Var(&o.visitors, "visitor", "client: NAME:PUBLISH:BIND")
	flags.Parse(os.Args[2:])
	switch os.Args[1] {
	case "server":
		o.serve()
	case "client":
		o.connect()
	default:
		fail("unknown role %q", os.Args[1])
	}
}

func (o *options) dial() net.Conn {
	config := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}
	if o.tls12 {
		config.MaxVersion = tls.VersionTLS12
	}
	conn, err := tls.Dial("tcp", o.gateway, config)
	if err != nil {
		fail("connect: %v", err)
	}
	return conn
}
