package results

import (
	"bytes"
	_ "embed"
	"html/template"
	"strings"
	text "text/template"

	"lars/bench/report"
)

var (
	//go:embed readme.tmpl
	readmeText string
	//go:embed index.tmpl
	indexText string
)

// readme is the page for a code host.
func (s *shelf) readme() ([]byte, error) {
	t, err := text.New("readme").Funcs(text.FuncMap{"md": markdown, "anchor": anchor}).Parse(readmeText)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = t.Execute(&out, s)
	return out.Bytes(), err
}

// index is the page for a browser.
func (s *shelf) index() ([]byte, error) {
	t, err := template.New("index").Funcs(template.FuncMap{"style": func() template.CSS { return template.CSS(report.Style()) }, "anchor": anchor}).Parse(indexText)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = t.Execute(&out, s)
	return out.Bytes(), err
}

// markdown escapes what would be markup: names come from files.
func markdown(v any) string {
	s, _ := v.(string)
	var out strings.Builder
	for _, r := range s {
		switch {
		case r == '<':
			out.WriteString("&lt;")
		case r < ' ':
			out.WriteByte(' ')
		case strings.ContainsRune("\\`*_{}[]#|&~", r):
			out.WriteByte('\\')
			fallthrough
		default:
			out.WriteRune(r)
		}
	}
	return out.String()
}

// anchor is a title as the fragment of a link.
func anchor(title string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-':
			return r
		case r == ' ':
			return '-'
		}
		return -1
	}, strings.ToLower(title))
}
