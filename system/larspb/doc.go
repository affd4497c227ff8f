// Package larspb is the Go code that protoc generates from system/proto, the
// wire contract of Lars. It is for tools, tests and clients that want ordinary
// protobuf messages. The servers' hot paths use package wire instead, which
// speaks the same bytes and allocates nothing.
//
// Nothing here is written by hand but this comment and the test that proves
// the code fresh. After an edit of a .proto file run go generate.
package larspb

//go:generate sh ../proto/generate.sh .
