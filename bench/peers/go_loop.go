// A plain Go loop, as scanners in Go are built: crypto/tls in a pool of goroutines, a JSON object a
// certificate.
//
//	go_loop PORT GOROUTINES <addresses
package main

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"net"
	"os"
	"strconv"
	"sync"
	"time"
)

type result struct {
	Host     string    `json:"host"`
	Subject  string    `json:"subject"`
	Names    []string  `json:"names"`
	NotAfter time.Time `json:"not_after"`
	Error    string    `json:"error,omitempty"`
}

func look(dialer *net.Dialer, host, port string) result {
	config := &tls.Config{InsecureSkipVerify: true}
	connection, err := tls.DialWithDialer(dialer, "tcp", net.JoinHostPort(host, port), config)
	if err != nil {
		return result{Host: host, Error: err.Error()}
	}
	defer connection.Close()
	leaf := connection.ConnectionState().PeerCertificates[0]
	return result{Host: host, Subject: leaf.Subject.String(), Names: leaf.DNSNames,
		NotAfter: leaf.NotAfter}
}

func main() {
	hosts, results := make(chan string), make(chan result)
	count, err := strconv.Atoi(os.Args[2])
	if err != nil {
		os.Exit(2)
	}
	var group sync.WaitGroup
	for i := 0; i < count; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			dialer := &net.Dialer{Timeout: 10 * time.Second}
			for host := range hosts {
				results <- look(dialer, host, os.Args[1])
			}
		}()
	}
	go func() {
		lines := bufio.NewScanner(os.Stdin)
		for lines.Scan() {
			hosts <- lines.Text()
		}
		close(hosts)
		group.Wait()
		close(results)
	}()
	out := bufio.NewWriter(os.Stdout)
	encoder := json.NewEncoder(out)
	for one := range results {
		if encoder.Encode(one) != nil {
			os.Exit(1)
		}
	}
	if out.Flush() != nil {
		os.Exit(1)
	}
}
