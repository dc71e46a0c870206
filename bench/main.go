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
	"net/url"
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
	Proxy        string `json:"proxy"`
	AtOnce       int    `json:"atOnce"`
	WarmUp       int64  `json:"warmUp"`
	Ms           int    `json:"ms"`
	MaxExchanges int64  `json:"maxExchanges"`
	Read         string `json:"read"`
	Expected     int64  `json:"expected"`
	Close        bool   `json:"close"`
	Tickets      bool   `json:"tickets"`
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
		if t.Tickets {
			transport.TLSClientConfig.ClientSessionCache = tls.NewLRUClientSessionCache(0)
		}
	}
	if t.Proxy != "" {
		proxy, err := url.Parse(t.Proxy)
		check(err)
		transport.Proxy = http.ProxyURL(proxy)
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
	found := int64(0)
	if t.Read == "json" {
		var value []any
		check(json.NewDecoder(response.Body).Decode(&value))
		io.Copy(io.Discard, response.Body)
		found = int64(len(value))
	} else if t.Read == "stream" {
		for err == nil {
			var n int
			n, err = response.Body.Read(buffer)
			found += int64(n)
		}
		if err != io.EOF {
			check(err)
		}
	} else {
		data, err := io.ReadAll(response.Body)
		check(err)
		found = int64(len(data))
	}
	if found != t.Expected {
		check(fmt.Errorf("%d instead of %d", found, t.Expected))
	}
	return found
}

// All loops of the process: first they warm up, then they count, and one of them ends it for all.
type meter struct {
	lock    sync.Mutex
	warming int64
	ms      int
	most    int64
	ended   bool
	began   time.Time
	endAt   time.Time
	seconds float64
	cpu     int64
	took    []time.Duration
	counts  []int64
	read    int64
}

func (m *meter) begin(now time.Time) {
	m.began, m.endAt = now, now.Add(time.Duration(m.ms)*time.Millisecond)
	m.cpu = cpuMicros()
}

// Counts one exchange; false: stop.
func (m *meter) next(loop int, took time.Duration, bytes int64) bool {
	m.lock.Lock()
	defer m.lock.Unlock()
	now := time.Now()
	if m.ended {
		return false
	}
	if m.began.IsZero() {
		if m.warming--; m.warming <= 0 {
			m.begin(now)
		}
		return true
	}
	m.took = append(m.took, took)
	m.counts[loop]++
	m.read += bytes
	if int64(len(m.took)) == m.most || !now.Before(m.endAt) {
		m.ended = true
		m.seconds = now.Sub(m.began).Seconds()
		m.cpu = cpuMicros() - m.cpu
	}
	return !m.ended
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
	if t.WarmURL != "" {
		first := t
		first.URL = t.WarmURL
		if first.PostBytes > 32<<20 {
			first.PostBytes = 32 << 20
		}
		if !t.Streamed {
			first.Expected = 32 << 20
		}
		exchange(first, nil, make([]byte, 1<<20))
	}
	m := &meter{warming: t.WarmUp, ms: t.Ms, most: t.MaxExchanges, counts: make([]int64, t.AtOnce)}
	if t.WarmUp == 0 {
		m.begin(time.Now())
	}
	var group sync.WaitGroup
	for n := 0; n < t.AtOnce; n++ {
		group.Add(1)
		go func(loop int) {
			defer group.Done()
			buffer := make([]byte, 1<<20)
			for {
				before := time.Now()
				bytes := exchange(t, body, buffer)
				if !m.next(loop, time.Since(before), bytes) {
					break
				}
			}
		}(n)
	}
	group.Wait()
	all := m.took
	sort.Slice(all, func(i, j int) bool { return all[i] < all[j] })
	at := func(share float64) float64 {
		return float64(all[int(float64(len(all)-1)*share)].Nanoseconds()) / 1000
	}
	read := m.read
	if t.PostBytes > 0 {
		read = t.PostBytes * int64(len(all))
	}
	if t.WarmURL == "" {
		read = 0
	}
	count := float64(len(all))
	figures := map[string]float64{
		"requestsPerSecond":   count / m.seconds,
		"bytesPerSecond":      float64(read) / m.seconds,
		"cpuMicrosPerRequest": float64(m.cpu) / count,
		"p50Micros":           at(0.5),
		"p99Micros":           at(0.99),
		"p999Micros":          at(0.999),
		"residentBytes":       float64(residentBytes()),
	}
	if t.AtOnce > 1 {
		sort.Slice(m.counts, func(i, j int) bool { return m.counts[i] < m.counts[j] })
		figures["slowestLoopShare"] = float64(m.counts[0]) * float64(t.AtOnce) / count
	}
	line, err := json.Marshal(figures)
	check(err)
	fmt.Println(string(line))
}
