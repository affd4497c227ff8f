package reactor

// A Key names a property of connections whose value is a T. Make one for each
// property, usually as a field of what owns it:
//
//	user := reactor.NewKey[User]()
//	user.Set(c, u)
//	u, ok := user.Get(c)
type Key[T any] struct{ id *byte }

// NewKey makes a key unlike any other.
func NewKey[T any]() Key[T] { return Key[T]{new(byte)} }

type property struct {
	id    *byte
	value any
}

// Set sets the property on a connection. Only on the connection's loop.
func (k Key[T]) Set(c *Conn, v T) {
	for i := range c.props {
		if c.props[i].id == k.id {
			c.props[i].value = v
			return
		}
	}
	c.props = append(c.props, property{k.id, v})
}

// Get returns the property, and whether it was set. Only on the loop.
func (k Key[T]) Get(c *Conn) (v T, ok bool) {
	for i := range c.props {
		if c.props[i].id == k.id {
			v, ok = c.props[i].value.(T)
			return v, ok
		}
	}
	return v, false
}
