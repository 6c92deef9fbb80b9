//go:build !debian12

package main

import (
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

// dial makes a connection that is opened with the first call. Without credentials nothing is encrypted.
func dial(target string, tls credentials.TransportCredentials, options ...grpc.DialOption) (*grpc.ClientConn, error) {
	if tls == nil {
		tls = insecure.NewCredentials()
	}
	return grpc.NewClient(target, append(options, grpc.WithTransportCredentials(tls))...)
}
