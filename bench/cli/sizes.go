package cli

import (
	"fmt"
	"strconv"
	"strings"
)

// sizes is the value of --payload: bytes, or a list of them.
type sizes []int

// String is the list as typed.
func (s *sizes) String() string {
	if len(*s) == 0 {
		return "0"
	}
	var out []string
	for _, n := range *s {
		out = append(out, strconv.Itoa(n))
	}
	return strings.Join(out, ",")
}

// Set reads it.
func (s *sizes) Set(text string) error {
	*s = nil
	for word := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(word))
		if err != nil || n < 0 {
			return fmt.Errorf("%q is no number of bytes: choose 0 or more, such as 1024, or a list: 64,1024", word)
		}
		*s = append(*s, n)
	}
	if len(*s) == 1 && (*s)[0] == 0 {
		*s = nil
	}
	return nil
}
