// Package wire is the codec of Lars's messages for hot paths: the same bytes
// as package larspb, with nothing allocated in steady state. It is for dns,
// reporter, agent and the Go client.
//
// Each message is a plain struct with three methods. Size is the length of its
// body; AppendTo appends the body to a slice, so with a buffer of Size bytes
// it writes in place; Decode fills the struct from a body. A struct used again
// and again keeps the capacity of its lists, which is why nothing is
// allocated. The 8-byte head before a body is the business of reactor/frame.
//
// # Rules
//
// Decode is total: any bytes give a value or [ErrMalformed]. Unknown fields,
// and known numbers with an unexpected wire type, are skipped; of a repeated
// singular field the last wins; a repeated singular message is merged; numbers
// are cut to the field's width as proto3 says. AppendTo omits zero fields and
// writes a negative int32 in ten bytes, in ascending field order, as protoc's
// C++ does: a message that the original sent is encoded to the same bytes.
//
// # Malformed bodies
//
// The original ignores parse errors and goes on with zeros: it answers a cut
// GetRouteRequest as (0, 0). We drop a malformed message and count it; the
// connection stays, since the frame around it was sound. Dropping and counting
// is done by the caller of Decode.
//
// A struct is not safe for concurrent use. This package does not judge values:
// a port of 70000 decodes; package route's MakeHost refuses it.
package wire
