// Package zstdgrpc is what carries ingest messages over gRPC at little cost: a
// zstd compressor, which gRPC lacks, and a codec that uses the generated fast
// marshalling of messages that have it. Both ends use it; start at [Register]
// and [Codec].
package zstdgrpc
