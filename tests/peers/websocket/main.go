// A WebSocket peer on gorilla/websocket, in both roles, for tests only. It says messages of many sizes, whole
// and in fragments of 4096 bytes, and wants each of them back; then it closes with 4001.
//
//	peer client HOST:PORT
//	peer server                  one connection; prints "listening PORT"
//
// "done CODE" is printed when the answer to the Close has come. Builds with Debian's packages alone:
// GO111MODULE=off GOPATH=/usr/share/gocode go build
package main

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

const deadline = 60 * time.Second

var sizes = []int{1, 2, 125, 126, 127, 4095, 4096, 4097, 65535, 65536, 65537, 1 << 20, 32 << 20}

func must(err error) {
	if err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
}

func content(kind, size int) []byte {
	if kind == websocket.TextMessage {
		text := strings.Repeat("grüße, 名前 ", size/16+1)
		return []byte(strings.ToValidUTF8(text[:size], "-"))
	}
	block := make([]byte, size)
	for i := range block {
		block[i] = byte(i*7 + i>>8)
	}
	return block
}

func back(peer *websocket.Conn, kind int, message []byte) {
	heardKind, heard, err := peer.ReadMessage()
	must(err)
	if heardKind != kind || !bytes.Equal(heard, message) {
		must(fmt.Errorf("%d bytes came back as %d others", len(message), len(heard)))
	}
}

// Everything that is said while nothing is read stays below what sockets hold.
func exchange(peer *websocket.Conn) {
	peer.SetReadDeadline(time.Now().Add(deadline))
	peer.SetWriteDeadline(time.Now().Add(deadline))
	for _, size := range sizes {
		for _, kind := range []int{websocket.BinaryMessage, websocket.TextMessage} {
			message := content(kind, size)
			said := make(chan error)
			go func() { said <- peer.WriteMessage(kind, message) }()
			back(peer, kind, message)
			must(<-said)
		}
	}
	message := content(websocket.BinaryMessage, 100000)
	writer, err := peer.NextWriter(websocket.BinaryMessage)
	must(err)
	for at := 0; at < len(message); at += 1000 {
		_, err := writer.Write(message[at : at+1000])
		must(err)
		if at == 50000 {
			must(peer.WriteControl(websocket.PingMessage, []byte("between"), time.Now().Add(deadline)))
		}
	}
	must(writer.Close())
	pongs := 0
	peer.SetPongHandler(func(payload string) error {
		if payload == "between" {
			pongs++
		}
		return nil
	})
	back(peer, websocket.BinaryMessage, message)
	for number := 1; number <= 300; number++ {
		must(peer.WriteMessage(websocket.BinaryMessage, message[:number]))
	}
	for number := 1; number <= 300; number++ {
		back(peer, websocket.BinaryMessage, message[:number])
	}
	if pongs != 1 {
		must(fmt.Errorf("%d pongs", pongs))
	}
	goodbye := websocket.FormatCloseMessage(4001, "enough")
	must(peer.WriteControl(websocket.CloseMessage, goodbye, time.Now().Add(deadline)))
	_, _, err = peer.ReadMessage()
	closed, is := err.(*websocket.CloseError)
	if !is {
		must(fmt.Errorf("no Close: %v", err))
	}
	fmt.Println("done", closed.Code)
	peer.Close()
}

func serve() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(err)
	fmt.Println("listening", listener.Addr().(*net.TCPAddr).Port)
	over := make(chan bool)
	upgrader := websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
	go http.Serve(listener, http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) {
		peer, err := upgrader.Upgrade(writer, request, nil)
		must(err)
		exchange(peer)
		over <- true
	}))
	<-over
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == "client" {
		peer, _, err := websocket.DefaultDialer.Dial("ws://"+os.Args[2]+"/chat", nil)
		must(err)
		exchange(peer)
	} else if len(os.Args) == 2 && os.Args[1] == "server" {
		serve()
	} else {
		fmt.Println("usage: peer client HOST:PORT | server")
		os.Exit(2)
	}
}
