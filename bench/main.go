// The same closed loops with Go's net/http. Prints one line of JSON. Argument: a Task as JSON.
package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"sort"
	"strings"
	"sync"
	"syscall"
	"time"
)

type task struct {
	URL          string `json:"url"`
	WarmURL      string `json:"warmUrl"`
	AtOnce       int    `json:"atOnce"`
	Ms           int    `json:"ms"`
	MaxExchanges int    `json:"maxExchanges"`
	Read         string `json:"read"`
	Close        bool   `json:"close"`
	PostBytes    int64  `json:"postBytes"`
	Streamed     bool   `json:"streamed"`
	CaFile       string `json:"caFile"`
	HTTP2        bool   `json:"http2"`
}

var client *http.Client

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func newClient(t task) *http.Client {
	transport := &http.Transport{
		MaxIdleConns:        0,
		MaxIdleConnsPerHost: 1 << 16,
		DisableKeepAlives:   t.Close,
		// A TLS configuration of one's own also keeps HTTP/2 away, unless it is asked for.
		TLSClientConfig:   &tls.Config{},
		ForceAttemptHTTP2: t.HTTP2,
	}
	if strings.HasPrefix(t.URL, "https:") {
		pem, err := os.ReadFile(t.CaFile)
		check(err)
		pool := x509.NewCertPool()
		pool.AppendCertsFromPEM(pem)
		transport.TLSClientConfig.RootCAs = pool
	}
	return &http.Client{Transport: transport}
}

// Bytes of the letter that fills uploads, without holding them.
type letters struct{}

func (letters) Read(p []byte) (int, error) {
	return len(p), nil
}

func exchange(t task, body []byte, buffer []byte) int64 {
	method, reader := "GET", io.Reader(nil)
	if t.PostBytes > 0 {
		method = "POST"
		if t.Streamed {
			reader = io.LimitReader(letters{}, t.PostBytes)
		} else {
			reader = bytes.NewReader(body)
		}
	}
	request, err := http.NewRequest(method, t.URL, reader)
	check(err)
	if t.Streamed {
		request.ContentLength = t.PostBytes
	}
	response, err := client.Do(request)
	check(err)
	if response.StatusCode != 200 {
		check(fmt.Errorf("status %d", response.StatusCode))
	}
	defer response.Body.Close()
	if t.Read == "json" {
		var value any
		check(json.NewDecoder(response.Body).Decode(&value))
		io.Copy(io.Discard, response.Body)
		return 0
	}
	if t.MaxExchanges == 1 {
		read := int64(0)
		for {
			n, err := response.Body.Read(buffer)
			read += int64(n)
			if err == io.EOF {
				return read
			}
			check(err)
		}
	}
	data, err := io.ReadAll(response.Body)
	check(err)
	return int64(len(data))
}

func cpuMicros() int64 {
	var usage syscall.Rusage
	check(syscall.Getrusage(syscall.RUSAGE_SELF, &usage))
	return (usage.Utime.Sec+usage.Stime.Sec)*1e6 + usage.Utime.Usec + usage.Stime.Usec
}

func residentBytes() int64 {
	var size, resident int64
	data, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fmt.Sscan(string(data), &size, &resident)
	return resident * int64(os.Getpagesize())
}

func main() {
	var t task
	check(json.Unmarshal([]byte(os.Args[1]), &t))
	client = newClient(t)
	body := make([]byte, 0)
	if !t.Streamed {
		body = make([]byte, t.PostBytes)
	}
	warm := 250 * time.Millisecond
	if quarter := time.Duration(t.Ms) * time.Millisecond / 4; quarter > warm {
		warm = quarter
	}
	if t.WarmURL != "" || t.Close {
		warm = 0
	}
	if t.WarmURL != "" {
		first := t
		first.URL = t.WarmURL
		if first.PostBytes > 32<<20 {
			first.PostBytes = 32 << 20
		}
		exchange(first, nil, make([]byte, 1<<20))
	}
	startAt := time.Now().Add(warm)
	endAt := startAt.Add(time.Duration(t.Ms) * time.Millisecond)
	var lock sync.Mutex
	var all []time.Duration
	var read int64
	var group sync.WaitGroup
	var cpu int64
	started := time.Now()
	if warm > 0 {
		time.AfterFunc(warm, func() { lock.Lock(); cpu, started = cpuMicros(), time.Now(); lock.Unlock() })
	} else {
		cpu = cpuMicros()
	}
	for n := 0; n < t.AtOnce; n++ {
		group.Add(1)
		go func() {
			defer group.Done()
			var took []time.Duration
			var bytes int64
			buffer := make([]byte, 1<<20)
			for {
				before := time.Now()
				bytes += exchange(t, body, buffer)
				now := time.Now()
				if now.After(startAt) {
					took = append(took, now.Sub(before))
				}
				if !now.Before(endAt) || (t.MaxExchanges > 0 && len(took)*t.AtOnce >= t.MaxExchanges) {
					break
				}
			}
			lock.Lock()
			all, read = append(all, took...), read+bytes
			lock.Unlock()
		}()
	}
	group.Wait()
	seconds := time.Since(started).Seconds()
	used := cpuMicros() - cpu
	sort.Slice(all, func(i, j int) bool { return all[i] < all[j] })
	at := func(share float64) float64 {
		return float64(all[int(float64(len(all)-1)*share)].Nanoseconds()) / 1000
	}
	if t.PostBytes > 0 {
		read = t.PostBytes * int64(len(all))
	}
	if t.MaxExchanges != 1 {
		read = 0
	}
	count := float64(len(all))
	figures := map[string]float64{
		"requestsPerSecond":   count / seconds,
		"bytesPerSecond":      float64(read) / seconds,
		"cpuMicrosPerRequest": float64(used) / count,
		"p50Micros":           at(0.5),
		"p99Micros":           at(0.99),
		"p999Micros":          at(0.999),
		"residentBytes":       float64(residentBytes()),
	}
	line, err := json.Marshal(figures)
	check(err)
	fmt.Println(string(line))
}
