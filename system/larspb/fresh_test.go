package larspb

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// sources are the contract's files and the descriptors compiled from them.
func sources() map[string]protoreflect.FileDescriptor {
	return map[string]protoreflect.FileDescriptor{
		"lars.proto":     File_lars_proto,
		"qps_test.proto": File_qps_test_proto,
	}
}

// The generated code carries the descriptor of the .proto it was made from.
// Parsing the .proto here and comparing needs no protoc, so a stale file is
// found on every machine.
func TestDescriptorMatchesSource(t *testing.T) {
	for name, compiled := range sources() {
		text, err := os.ReadFile(filepath.Join("..", "proto", name))
		if err != nil {
			t.Fatal(err)
		}
		want, err := parseProto(name, string(text))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		got := protodesc.ToFileDescriptorProto(compiled)
		for _, m := range got.GetMessageType() {
			for _, f := range m.GetField() {
				f.JsonName = nil // derived from the name
			}
		}
		if !proto.Equal(got, want) {
			t.Errorf("%s has changed since its Go code was generated: run go generate ./system/larspb\ngenerated: %v\nsource:    %v", name, got, want)
		}
	}
}

// Where protoc is at hand the comparison is byte for byte, comments included.
// The lines that name the versions of the two programs are left out.
func TestGeneratedBytesFresh(t *testing.T) {
	if _, err := exec.LookPath("protoc"); err != nil {
		t.Skip("byte comparison needs protoc: apt-get install protobuf-compiler (TestDescriptorMatchesSource ran)")
	}
	dir := t.TempDir()
	if out, err := exec.Command("sh", "../proto/generate.sh", dir).CombinedOutput(); err != nil {
		t.Fatalf("generate.sh: %v\n%s", err, out)
	}
	versions := regexp.MustCompile(`(?m)^// \tprotoc.*\n`)
	for name := range sources() {
		file := strings.TrimSuffix(name, ".proto") + ".pb.go"
		have, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(versions.ReplaceAll(have, nil), versions.ReplaceAll(want, nil)) {
			t.Errorf("%s is stale: run go generate ./system/larspb", file)
		}
	}
}

// A comparison that a changed contract would pass is worth nothing.
func TestParserSeesChanges(t *testing.T) {
	text, err := os.ReadFile("../proto/lars.proto")
	if err != nil {
		t.Fatal(err)
	}
	base, err := parseProto("lars.proto", string(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, edit := range [][2]string{
		{"int32 port = 2", "int32 port = 9"},
		{"uint32 succ = 3", "uint64 succ = 3"},
		{"repeated HostInfo host", "HostInfo host"},
		{"bool truncated", "bool cut"},
		{"RET_NOEXIST = 3", "RET_NOEXIST = 4"},
		{"package lars;", "package other;"},
	} {
		changed := strings.Replace(string(text), edit[0], edit[1], 1)
		if changed == string(text) {
			t.Fatalf("%q is not in lars.proto", edit[0])
		}
		got, err := parseProto("lars.proto", changed)
		if err == nil && proto.Equal(base, got) {
			t.Errorf("%q to %q went unseen", edit[0], edit[1])
		}
	}
}

// protoFile reads the part of the proto3 language that the contract uses:
// syntax, package, go_package, flat enums and flat messages.
type protoFile struct {
	tokens []string
	file   *descriptorpb.FileDescriptorProto
}

func parseProto(name, text string) (*descriptorpb.FileDescriptorProto, error) {
	text = regexp.MustCompile(`//[^\n]*`).ReplaceAllString(text, "")
	p := protoFile{
		tokens: regexp.MustCompile(`"[^"]*"|[\w.]+|[{}=;]`).FindAllString(text, -1),
		file:   &descriptorpb.FileDescriptorProto{Name: proto.String(name)},
	}
	for len(p.tokens) > 0 {
		if err := p.statement(); err != nil {
			return nil, err
		}
	}
	return p.file, nil
}

func (p *protoFile) statement() error {
	switch word := p.next(); word {
	case "syntax":
		p.file.Syntax = proto.String(p.quoted("=", ";"))
	case "package":
		p.file.Package = proto.String(p.next())
		p.next()
	case "option":
		if key := p.next(); key != "go_package" {
			return fmt.Errorf("option %q is not known to this test", key)
		}
		p.file.Options = &descriptorpb.FileOptions{GoPackage: proto.String(p.quoted("=", ";"))}
	case "enum":
		return p.enum()
	case "message":
		return p.message()
	default:
		return fmt.Errorf("unexpected %q", word)
	}
	return nil
}

func (p *protoFile) enum() error {
	e := &descriptorpb.EnumDescriptorProto{Name: proto.String(p.next())}
	p.next()
	for p.peek() != "}" {
		name := p.next()
		number, err := p.number()
		if err != nil {
			return fmt.Errorf("enum value %s: %w", name, err)
		}
		e.Value = append(e.Value, &descriptorpb.EnumValueDescriptorProto{Name: &name, Number: &number})
	}
	p.next()
	p.file.EnumType = append(p.file.EnumType, e)
	return nil
}

func (p *protoFile) message() error {
	m := &descriptorpb.DescriptorProto{Name: proto.String(p.next())}
	p.next()
	for p.peek() != "}" {
		f := &descriptorpb.FieldDescriptorProto{Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum()}
		if p.peek() == "repeated" {
			p.next()
			f.Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
		}
		kind := "TYPE_" + strings.ToUpper(p.peek())
		if v, ok := descriptorpb.FieldDescriptorProto_Type_value[kind]; ok {
			f.Type = descriptorpb.FieldDescriptorProto_Type(v).Enum()
			p.next()
		} else {
			f.Type = descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum()
			f.TypeName = proto.String("." + p.file.GetPackage() + "." + p.next())
		}
		f.Name = proto.String(p.next())
		number, err := p.number()
		if err != nil {
			return fmt.Errorf("field %s: %w", f.GetName(), err)
		}
		f.Number = &number
		m.Field = append(m.Field, f)
	}
	p.next()
	p.file.MessageType = append(p.file.MessageType, m)
	return nil
}

func (p *protoFile) peek() string {
	if len(p.tokens) == 0 {
		return "}" // ends every loop; the caller's next token then is empty
	}
	return p.tokens[0]
}

func (p *protoFile) next() string {
	if len(p.tokens) == 0 {
		return ""
	}
	word := p.tokens[0]
	p.tokens = p.tokens[1:]
	return word
}

// quoted reads `= "value" ;`.
func (p *protoFile) quoted(before, after string) string {
	if p.next() != before {
		return ""
	}
	value := strings.Trim(p.next(), `"`)
	if p.next() != after {
		return ""
	}
	return value
}

// number reads `= 7 ;`.
func (p *protoFile) number() (int32, error) {
	n, err := strconv.ParseInt(p.quoted("=", ";"), 10, 32)
	return int32(n), err
}
