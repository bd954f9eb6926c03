package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// answer is what the Prometheus API says.
type answer struct {
	Status, Error string
	Warnings      []string
	Data          struct {
		Result []struct {
			Metric map[string]string
			Value  [2]any // time, value as text
		}
	}
}

// query asks the gateway.
func (b *bench) query(ctx context.Context, path string, parameters map[string]string) (*answer, error) {
	form := url.Values{}
	for k, v := range parameters {
		form.Set(k, v)
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.p.URL()+path+"?"+form.Encode(), nil)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }() // it was only read
	var a answer
	if err := json.NewDecoder(res.Body).Decode(&a); err != nil {
		return nil, fmt.Errorf("%s: %w", res.Status, err)
	}
	if a.Status != "success" {
		return nil, errors.New(a.Error)
	}
	return &a, nil
}

// number asks an instant query and returns its one value; false if it has none.
func (b *bench) number(ctx context.Context, expr string) (float64, bool, error) {
	a, err := b.query(ctx, "/prometheus/api/v1/query", map[string]string{"query": expr})
	if err != nil || len(a.Data.Result) == 0 {
		return 0, false, err
	}
	text, _ := a.Data.Result[0].Value[1].(string)
	v, err := strconv.ParseFloat(text, 64)
	return v, err == nil, err
}
