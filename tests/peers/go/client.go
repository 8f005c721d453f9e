package main

import (
	"encoding/binary"
	"encoding/json"
	"io"
	"net"
	"strconv"
	"time"

	"github.com/hashicorp/yamux"
)

// connect logs in to a gateway, serves its proxies and opens its visitors until the session ends.
func (o *options) connect() {
	conn := o.dial()
	if o.misbehave == "silent" {
		say("silent")
		io.Copy(io.Discard, conn)
		fail("session ended")
	}
	session, err := yamux.Client(conn, o.yamux())
	if err != nil {
		fail("%v", err)
	}
	stream, err := session.OpenStream()
	if err != nil {
		fail("open: %v", err)
	}
	c := control{stream, o.misbehave == "split"}
	if o.misbehave == "mute" {
		say("mute")
		<-session.CloseChan()
		fail("session ended")
	}
	o.login(c)
	config := o.config()
	o.submit(c, config)
	say("running")
	go o.acceptProxies(session)
	for _, v := range config.Visitors {
		go o.visit(session, v)
	}
	switch o.misbehave {
	case "goaway":
		session.GoAway()
	case "close-control":
		stream.Close()
	case "no-heartbeat":
	default:
		go heartbeat(c)
	}
	for {
		m, err := c.receive()
		if err != nil {
			fail("session ended: %v", err)
		}
		say("message %s %s", m.Method, m.Params)
	}
}

func heartbeat(c control) {
	for {
		if c.send(message{Method: "heartbeat", Params: json.RawMessage("null")}) != nil {
			return
		}
		time.Sleep(30 * time.Second)
	}
}

// answer waits for the response to id and says the notifications that come before it.
func answer(c control, id string) message {
	for {
		m, err := c.receive()
		if err != nil {
			fail("no answer to %s: %v", id, err)
		}
		if string(m.ID) == id {
			return m
		}
		say("message %s %s", m.Method, m.Params)
	}
}

func (o *options) login(c control) {
	c.send(message{Method: "authenticate", Params: raw(authenticate{o.authKey, "1.5.1"}), ID: raw(1)})
	m := answer(c, "1")
	if m.Error != nil {
		fail("refused %d %s", m.Error.Code, m.Error.Message)
	}
	say("authenticated %s", m.Result)
}

func (o *options) config() submitConfig {
	config := submitConfig{[]proxy{}, []visitor{}}
	for _, text := range o.proxies {
		p := parseNamed(text)
		config.Proxies = append(config.Proxies, proxy{p.other, p.name, "tcp", "127.0.0.1", p.publish})
	}
	for _, text := range o.visitors {
		v := parseNamed(text)
		config.Visitors = append(config.Visitors, visitor{"127.0.0.1", v.other, v.name, "tcp", v.publish})
	}
	return config
}

func (o *options) submit(c control, config submitConfig) {
	c.send(message{Method: "submit_config", Params: raw(config), ID: raw(2)})
	m := answer(c, "2")
	if m.Error != nil {
		fail("refused %d %s %s", m.Error.Code, m.Error.Message, raw(m.Error.Data))
	}
	say("configured %s", m.Result)
}

func (o *options) acceptProxies(session *yamux.Session) {
	for {
		stream, err := session.AcceptStream()
		if err != nil {
			return
		}
		go o.serveProxy(stream)
	}
}

// serveProxy reads the published port and joins the stream with the local service.
func (o *options) serveProxy(stream net.Conn) {
	var port [2]byte
	if _, err := io.ReadFull(stream, port[:]); err != nil {
		stream.Close()
		return
	}
	published := int(binary.BigEndian.Uint16(port[:]))
	for _, text := range o.proxies {
		p := parseNamed(text)
		if p.publish != published {
			continue
		}
		conn, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(p.other)))
		if err != nil {
			say("local connect failed: %v", err)
			break
		}
		o.relay(conn, stream, true)
		return
	}
	stream.Close()
}

// visit listens for a visitor and opens one stream for each connection.
func (o *options) visit(session *yamux.Session, v visitor) {
	listener, err := net.Listen("tcp", net.JoinHostPort(v.BindAddr, strconv.Itoa(v.BindPort)))
	if err != nil {
		fail("visitor: %v", err)
	}
	say("visiting %s", listener.Addr())
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go o.openVisitor(session, v, conn)
	}
}

func (o *options) openVisitor(session *yamux.Session, v visitor, conn net.Conn) {
	stream, err := session.OpenStream()
	if err != nil {
		conn.Close()
		return
	}
	head := binary.BigEndian.AppendUint16(nil, uint16(len(v.Name)))
	head = append(head, v.Name...)
	head = binary.BigEndian.AppendUint16(head, uint16(v.PublishPort))
	var verdict [1]byte
	_, err = stream.Write(head)
	if err == nil {
		_, err = io.ReadFull(stream, verdict[:])
	}
	if err != nil {
		say("visitor refused: %v", err)
	} else if verdict[0] != 1 {
		say("visitor refused: %s", refusal(stream))
	}
	if err != nil || verdict[0] != 1 {
		conn.Close()
		stream.Close()
		return
	}
	o.relay(conn, stream, false)
}

func refusal(stream io.Reader) string {
	var length [2]byte
	if _, err := io.ReadFull(stream, length[:]); err != nil {
		return err.Error()
	}
	text := make([]byte, binary.BigEndian.Uint16(length[:]))
	if _, err := io.ReadFull(stream, text); err != nil {
		return err.Error()
	}
	return string(text)
}
