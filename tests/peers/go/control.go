package main

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
)

// message is any JSON-RPC message of the control stream.
type message struct {
	Version string          `json:"jsonrpc"`
	Method  string          `json:"method,omitempty"`
	Params  json.RawMessage `json:"params,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   *failure        `json:"error,omitempty"`
	ID      json.RawMessage `json:"id,omitempty"`
}

type failure struct {
	Code    int         `json:"code"`
	Message string      `json:"message"`
	Data    interface{} `json:"data,omitempty"`
}

type authenticate struct {
	AuthKey         string `json:"auth_key"`
	ProtocolVersion string `json:"protocol_version"`
}

type proxy struct {
	LocalPort   int    `json:"local_port"`
	Name        string `json:"name"`
	ProxyType   string `json:"proxy_type"`
	PublishAddr string `json:"publish_addr"`
	PublishPort int    `json:"publish_port"`
}

type visitor struct {
	BindAddr    string `json:"bind_addr"`
	BindPort    int    `json:"bind_port"`
	Name        string `json:"name"`
	ProxyType   string `json:"proxy_type"`
	PublishPort int    `json:"publish_port"`
}

type submitConfig struct {
	Proxies  []proxy   `json:"proxies"`
	Visitors []visitor `json:"visitors"`
}

// raw marshals what cannot fail.
func raw(value interface{}) json.RawMessage {
	bytes, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return bytes
}

// control is the control stream: a length of four bytes, then JSON.
type control struct {
	io.ReadWriteCloser
	split bool
}

func (c control) send(m message) error {
	m.Version = "2.0"
	body := raw(m)
	frame := make([]byte, 4, 4+len(body))
	binary.BigEndian.PutUint32(frame, uint32(len(body)))
	frame = append(frame, body...)
	if !c.split {
		_, err := c.Write(frame)
		return err
	}
	for i := range frame {
		if _, err := c.Write(frame[i : i+1]); err != nil {
			return err
		}
	}
	return nil
}

func (c control) receive() (message, error) {
	var m message
	var length [4]byte
	if _, err := io.ReadFull(c, length[:]); err != nil {
		return m, err
	}
	size := binary.BigEndian.Uint32(length[:])
	if size == 0 || size > 10*1024*1024 {
		return m, errors.New("control message has a bad length")
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(c, body); err != nil {
		return m, err
	}
	return m, json.Unmarshal(body, &m)
}
