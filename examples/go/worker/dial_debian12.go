//go:build debian12

package main

import (
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
)

// dial is the same for the gRPC 1.33 that Debian 12 packages, which has other names for it.
func dial(target string, tls credentials.TransportCredentials, options ...grpc.DialOption) (*grpc.ClientConn, error) {
	if tls == nil {
		return grpc.Dial(target, append(options, grpc.WithInsecure())...)
	}
	return grpc.Dial(target, append(options, grpc.WithTransportCredentials(tls))...)
}
