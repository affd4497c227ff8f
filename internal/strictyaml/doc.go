// Package strictyaml reads a YAML file into a struct and refuses everything that
// the struct does not describe, with the place and what is allowed:
//
//	plan.yaml:7: load.rat: unknown key; allowed: rate, arrivals, depth
//	plan.yaml:9: load.depth: 0 is out of range; allowed: 1 to 1024
//
// It is for files that people write: scenarios of the lab, plans of the
// simulator. What the struct says by its tags is both what Decode checks and
// what Schema prints as JSON Schema, so the two cannot drift apart.
//
// Tags of a field:
//
//	yaml:"name"            the key; yaml:"name,required" when it must be there
//	range:"1..64"          least and most, of a number, a duration, or each item of a list
//	oneof:"tcp udp"        the words allowed
//	pattern:"^[a-z]+$"     of a text
//	len:"1..64"            characters of a text, items of a list or map
//	doc:"..."              one line for people, which Schema prints
//
// Fields may be structs, pointers to them, lists, maps with text keys, texts,
// numbers, booleans, time.Duration ("250ms"), and types that read themselves
// from text (encoding.TextUnmarshaler), which may tell the schema all their words
// by a method Words() []string, or what they match by Pattern() string. A pointer stays nil, and any other field
// keeps what it held, when its key is absent: so a default is what the struct
// holds before.
//
// What it will not do: anchors, aliases, merge keys, tags, several documents in
// a file, or guess types: a word is no number, and 1 is no true.
package strictyaml
