package lars

import (
	"cmp"
	"context"
	"errors"
)

// begin takes a call from the pool; done with it, give it back.
func (c *Client) begin(m Module) *call {
	q := c.calls.Get().(*call)
	q.module, q.seq = m, c.seq.Add(1)
	return q
}

// ask sends the question of q until it is answered, Tries times at most. All
// the questions have one sequence number: whichever is answered, it will do.
func (c *Client) ask(ctx context.Context, s *socket, id int32, q *call, question []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c.counts.asked.Add(1)
	defer q.timer.Stop()
	for try := 1; ; try++ {
		answered, err := c.try(ctx, s, id, q, question)
		if answered || ctx.Err() != nil || errors.Is(err, ErrClosed) || errors.Is(err, ErrBusy) || try == c.config.Tries {
			return err
		}
		c.counts.again.Add(1)
	}
}

// try asks once. Unless it was answered, err says why, and Timeout has passed:
// an agent that is being restarted needs the moment, too.
func (c *Client) try(ctx context.Context, s *socket, id int32, q *call, question []byte) (answered bool, err error) {
	q.timer.Reset(c.config.Timeout)
	if err := s.await(id, q); err != nil {
		return false, err
	}
	if werr := s.write(question); werr != nil {
		err = system(werr)
	}
	for {
		select {
		case <-q.done:
			if q.err == nil || errors.Is(q.err, ErrClosed) {
				return q.err == nil, q.err
			}
			err = q.err // and wait: nothing more will come
		case <-q.timer.C:
			return s.giveUp(id, q, cmp.Or(err, ErrTimeout))
		case <-ctx.Done():
			return s.giveUp(id, q, ctx.Err())
		}
	}
}

// giveUp takes a call back, unless it was answered just in time.
func (s *socket) giveUp(id int32, q *call, why error) (answered bool, err error) {
	s.forget(id, q)
	select {
	case <-q.done:
		if q.err == nil {
			return true, nil
		}
	default:
	}
	return false, why
}
