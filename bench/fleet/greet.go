package fleet

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"
)

// Roles of the two ends.
const (
	roleCoordinator = "coordinator"
	roleWorker      = "worker"
)

// greetTimeout bounds what somebody without the token can hold.
const greetTimeout = 10 * time.Second

// ErrToken is a peer that does not know the token.
var ErrToken = errors.New("the other side has another token: give both the same --token-file")

const nonceBytes = 32

// greet makes sure that the peer speaks this protocol, has the other role and
// knows the token, and returns its name. The proof is a keyed hash of both
// nonces and the role: it can be neither replayed nor reflected.
func (l *link) greet(role, name string, token []byte) (peer string, err error) {
	mine := hello{Protocol: Protocol, Role: role, Name: name, Nonce: make([]byte, nonceBytes)}
	_, _ = rand.Read(mine.Nonce) // never fails, says its documentation
	if err := l.send(message{Kind: kindHello, Hello: &mine}); err != nil {
		return "", err
	}
	theirs, err := l.hear(kindHello)
	if err != nil {
		return "", err
	}
	other := roleWorker
	if role == roleWorker {
		other = roleCoordinator
	}
	switch h := theirs.Hello; {
	case h.Protocol != Protocol:
		return "", confused("the other side speaks %.40q, this one %q: use the same version of lars", h.Protocol, Protocol)
	case h.Role != other:
		return "", confused("the other side is a %.20q, and this one no %s", h.Role, other)
	case len(h.Nonce) != nonceBytes:
		return "", confused("a nonce of %d bytes", len(h.Nonce))
	}
	both := append(append([]byte{}, mine.Nonce...), theirs.Hello.Nonce...)
	if role == roleWorker {
		both = append(append([]byte{}, theirs.Hello.Nonce...), mine.Nonce...)
	}
	if err := l.prove(role, other, token, both); err != nil {
		return "", err
	}
	l.limit = messageBytesMax
	return printable(theirs.Hello.Name), nil
}

// prove shows and asks for the proofs; the worker shows nothing to somebody who
// has not shown his.
func (l *link) prove(role, other string, token, nonces []byte) error {
	show := func() error { return l.send(message{Kind: kindProof, Proof: proof(role, token, nonces)}) }
	if role == roleCoordinator {
		if err := show(); err != nil {
			return err
		}
	}
	m, err := l.hear(kindProof)
	if err != nil {
		return err
	}
	if !hmac.Equal(m.Proof, proof(other, token, nonces)) {
		_ = l.send(message{Kind: kindFailed, Text: ErrToken.Error()}) // the error stands anyway
		return ErrToken
	}
	if role == roleWorker {
		return show()
	}
	return nil
}

func proof(role string, token, nonces []byte) []byte {
	h := hmac.New(sha256.New, token)
	fmt.Fprintf(h, "%s %s ", Protocol, role)
	h.Write(nonces)
	return h.Sum(nil)
}

// hear receives a message of one kind during the greeting.
func (l *link) hear(kind string) (*message, error) {
	m, err := l.receive(greetTimeout)
	switch {
	case err != nil:
		return nil, err
	case m.Kind == kindFailed:
		return nil, errors.New(printable(m.Text))
	case m.Kind != kind:
		return nil, confused("%s where %s was expected", m.Kind, kind)
	}
	return m, nil
}

// printable is a foreign text that may be shown on a terminal.
func printable(text string) string {
	const most = 400
	out := make([]rune, 0, min(len(text), most))
	for _, r := range text {
		if len(out) == most {
			break
		}
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			r = ' '
		}
		out = append(out, r)
	}
	return string(out)
}
