package main

import (
	"crypto/tls"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"

	"github.com/hashicorp/yamux"
)

// registry: who publishes what, by name and port, over all sessions.
type registry struct {
	sync.Mutex
	owners map[string]*yamux.Session
}

func (r *registry) owner(name string, port int) *yamux.Session {
	r.Lock()
	defer r.Unlock()
	return r.owners[fmt.Sprintf("%s:%d", name, port)]
}

// tunnelSession is one client of the server.
type tunnelSession struct {
	*options
	*registry
	mux       *yamux.Session
	listeners []net.Listener
}

// serve accepts clients for ever.
func (o *options) serve() {
	certificate, err := tls.LoadX509KeyPair(o.cert, o.key)
	if err != nil {
		fail("%v", err)
	}
	config := &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12}
	listener, err := tls.Listen("tcp", o.listen, config)
	if err != nil {
		fail("%v", err)
	}
	say("listening %s", listener.Addr())
	all := &registry{owners: map[string]*yamux.Session{}}
	for {
		conn, err := listener.Accept()
		if err != nil {
			fail("%v", err)
		}
		go o.session(all, conn)
	}
}

func (o *options) session(all *registry, conn net.Conn) {
	defer conn.Close()
	if o.misbehave == "silent" {
		io.Copy(io.Discard, conn)
		say("session ended")
		return
	}
	mux, err := yamux.Server(conn, o.yamux())
	if err != nil {
		return
	}
	defer mux.Close()
	stream, err := mux.AcceptStream()
	if err != nil {
		say("session ended: %v", err)
		return
	}
	if o.misbehave == "mute" {
		<-mux.CloseChan()
		say("session ended")
		return
	}
	s := &tunnelSession{o, all, mux, nil}
	say("session ended: %v", s.run(control{stream, o.misbehave == "split"}))
	s.stop()
}

// run answers the control stream until it ends.
func (s *tunnelSession) run(c control) error {
	for {
		m, err := c.receive()
		if err != nil {
			return err
		}
		say("message %s %s", m.Method, m.Params)
		switch m.Method {
		case "authenticate":
			var a authenticate
			json.Unmarshal(m.Params, &a)
			if a.AuthKey != s.authKey {
				c.send(message{Error: &failure{-32000, "Invalid authentication key", nil}, ID: m.ID})
				return fmt.Errorf("wrong key")
			}
			c.send(message{Result: raw(map[string]string{"client_id": "client_3f0e8a52-7c1b-4d7e-9a55-0c6d2b1e4f90",
				"min_client_version": "1.4.0", "protocol_version": "1.5.1"}), ID: m.ID})
		case "submit_config":
			if err := s.submitted(c, m); err != nil {
				return err
			}
		case "heartbeat":
		default:
			return fmt.Errorf("unknown method %q", m.Method)
		}
	}
}

func (s *tunnelSession) submitted(c control, m message) error {
	var config submitConfig
	if err := json.Unmarshal(m.Params, &config); err != nil {
		return err
	}
	if s.misbehave == "reject" {
		data := map[string][]string{"rejected_proxies": {"web:8080"}}
		c.send(message{Error: &failure{-32001, "All proxies rejected: web:8080", data}, ID: m.ID})
		return fmt.Errorf("rejected")
	}
	for _, p := range config.Proxies {
		address := net.JoinHostPort(p.PublishAddr, strconv.Itoa(p.PublishPort))
		listener, err := net.Listen("tcp", address)
		if err != nil {
			c.send(message{Method: "push_exception", Params: raw(map[string]interface{}{
				"level": "error", "code": "PROXY_BIND_FAILED", "message": err.Error(),
				"data": map[string]interface{}{"proxy_name": p.Name, "publish_port": p.PublishPort}})})
			continue
		}
		s.Lock()
		s.owners[fmt.Sprintf("%s:%d", p.Name, p.PublishPort)] = s.mux
		s.Unlock()
		s.listeners = append(s.listeners, listener)
		go s.published(listener, p.PublishPort)
	}
	c.send(message{Result: raw(map[string][]string{"rejected_proxies": {}}), ID: m.ID})
	go s.acceptVisitors()
	say("running")
	switch s.misbehave {
	case "goaway":
		s.mux.GoAway()
	case "close-control":
		c.Close()
	}
	return nil
}

func (s *tunnelSession) stop() {
	s.Lock()
	defer s.Unlock()
	for key, owner := range s.owners {
		if owner == s.mux {
			delete(s.owners, key)
		}
	}
	for _, listener := range s.listeners {
		listener.Close()
	}
}

func (s *tunnelSession) published(listener net.Listener, port int) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			stream, err := openProxy(s.mux, port)
			if err != nil {
				conn.Close()
				return
			}
			s.relay(conn, stream, false)
		}()
	}
}

func openProxy(mux *yamux.Session, port int) (net.Conn, error) {
	stream, err := mux.OpenStream()
	if err != nil {
		return nil, err
	}
	_, err = stream.Write(binary.BigEndian.AppendUint16(nil, uint16(port)))
	return stream, err
}

func (s *tunnelSession) acceptVisitors() {
	for {
		stream, err := s.mux.AcceptStream()
		if err != nil {
			return
		}
		go s.serveVisitor(stream)
	}
}

// serveVisitor reads the head, gives the verdict and joins the stream with one to the owner.
func (s *tunnelSession) serveVisitor(stream net.Conn) {
	defer stream.Close()
	var number [2]byte
	if _, err := io.ReadFull(stream, number[:]); err != nil {
		return
	}
	name := make([]byte, binary.BigEndian.Uint16(number[:]))
	if _, err := io.ReadFull(stream, name); err != nil {
		return
	}
	if _, err := io.ReadFull(stream, number[:]); err != nil {
		return
	}
	port := int(binary.BigEndian.Uint16(number[:]))
	owner := s.owner(string(name), port)
	if owner == nil {
		text := fmt.Sprintf("Proxy '%s' with publish_port %d not found or client not connected", name, port)
		stream.Write([]byte{0})
		stream.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(text))), text...))
		return
	}
	stream.Write([]byte{1})
	target, err := openProxy(owner, port)
	if err != nil {
		return
	}
	// The first end that is seen ends the relay, after everything that came before it was passed on.
	go func() {
		io.Copy(target, stream)
		target.Close()
	}()
	io.Copy(stream, s.reader(target))
	target.Close()
}
