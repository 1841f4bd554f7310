// The least that an external scaler in Go can be: one value for every ScaledObject, and streams that stay silent.
package main

import (
	"context"
	"fmt"
	"net"

	pb "github.com/kedacore/keda/v2/pkg/scalers/externalscaler"
	"google.golang.org/grpc"
)

type scaler struct {
	pb.UnimplementedExternalScalerServer
}

func (scaler) IsActive(context.Context, *pb.ScaledObjectRef) (*pb.IsActiveResponse, error) {
	return &pb.IsActiveResponse{Result: true}, nil
}

func (scaler) StreamIsActive(_ *pb.ScaledObjectRef, stream pb.ExternalScaler_StreamIsActiveServer) error {
	if err := stream.Send(&pb.IsActiveResponse{Result: true}); err != nil {
		return err
	}
	<-stream.Context().Done()
	return nil
}

func (scaler) GetMetricSpec(context.Context, *pb.ScaledObjectRef) (*pb.GetMetricSpecResponse, error) {
	spec := &pb.MetricSpec{MetricName: "desired-replicas", TargetSize: 1, TargetSizeFloat: 1}
	return &pb.GetMetricSpecResponse{MetricSpecs: []*pb.MetricSpec{spec}}, nil
}

func (scaler) GetMetrics(_ context.Context, asked *pb.GetMetricsRequest) (*pb.GetMetricsResponse, error) {
	value := &pb.MetricValue{MetricName: asked.MetricName, MetricValue: 4, MetricValueFloat: 4}
	return &pb.GetMetricsResponse{MetricValues: []*pb.MetricValue{value}}, nil
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	server := grpc.NewServer()
	pb.RegisterExternalScalerServer(server, scaler{})
	if err := server.Serve(listener); err != nil {
		panic(err)
	}
}
