// The floor: an echo server of Lars frames in the fewest instructions that are
// still correct, as the limit that backends are compared with. TCP: one thread,
// level-triggered epoll, one read per event, the whole frames written straight
// back from the read buffer with one write. UDP: recvmmsg and sendmmsg.
//
//   floor [-p PORT] [-m BODYBYTES] [-u]     port 0, the default, is a free one
//
// It prints "listening on 127.0.0.1:PORT" and serves until SIGTERM.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

enum { HEAD = 8, READ = 65536, EVENTS = 256, BATCH = 64, DATAGRAM = 65536 };

// What a connection must remember between two events stands in
// held[off..len): first `owed` bytes of whole frames that the socket would not
// take yet, then the start of a frame that has not arrived in full. An idle
// connection holds nothing.
struct conn {
	int fd;
	size_t off, len, cap, owed;
	char *held;
};

static size_t body_max = 65527;
static char buf[READ];

static void die(const char *what) {
	perror(what);
	exit(1);
}

static void stop(int sig) {
	(void)sig;
	_exit(0);
}

static void drop(struct conn *c) {
	close(c->fd);
	free(c->held);
	free(c);
}

// room makes held hold at least n bytes; 0 without memory.
static int room(struct conn *c, size_t n) {
	if (n <= c->cap) return 1;
	char *p = realloc(c->held, n < 2 * c->cap ? n = 2 * c->cap : n);
	if (!p) return 0;
	c->held = p;
	c->cap = n;
	return 1;
}

// keep holds what follows the first n bytes of b[0..len); 0 without memory.
static int keep(struct conn *c, const char *b, size_t n, size_t len) {
	c->off = 0;
	c->len = len - n;
	if (c->len == 0) {
		free(c->held);
		c->held = NULL;
		c->cap = 0;
		return 1;
	}
	if (!room(c, c->len)) return 0;
	memmove(c->held, b + n, c->len);
	return 1;
}

static int interest(int ep, int op, struct conn *c, uint32_t events) {
	struct epoll_event e = {.events = events, .data.ptr = c};
	return epoll_ctl(ep, op, c->fd, &e) == 0;
}

// whole is the length of the whole frames at the start of b[0..n), or -1 when a
// head has a length that is not allowed.
static ssize_t whole(const char *b, size_t n) {
	size_t at = 0;
	while (n - at >= HEAD) {
		uint32_t body;
		memcpy(&body, b + at + 4, 4);
		body = le32toh(body);
		if (body > body_max) return -1; // a negative length is large here
		if (n - at < HEAD + (size_t)body) break;
		at += HEAD + body;
	}
	return at;
}

// readable and writable return 0 when the connection is to be closed.
static int readable(int ep, struct conn *c) {
	char *b = buf;
	if (c->len) {
		if (!room(c, c->len + READ)) return 0;
		b = c->held;
	}
	ssize_t n = read(c->fd, b + c->len, READ);
	if (n <= 0) return n < 0 && errno == EAGAIN;
	size_t len = c->len + n;
	ssize_t ready = whole(b, len), sent = 0;
	if (ready < 0) return 0;
	if (ready > 0 && (sent = write(c->fd, b, ready)) < 0) {
		if (errno != EAGAIN) return 0;
		sent = 0;
	}
	if (b == buf && (size_t)sent == len) return 1;
	if (!keep(c, b, sent, len)) return 0;
	c->owed = ready - sent;
	return c->owed == 0 || interest(ep, EPOLL_CTL_MOD, c, EPOLLOUT);
}

static int writable(int ep, struct conn *c) {
	ssize_t n = write(c->fd, c->held + c->off, c->owed);
	if (n < 0) return errno == EAGAIN;
	c->off += n;
	c->owed -= n;
	if (c->owed) return 1;
	return keep(c, c->held, c->off, c->len) && interest(ep, EPOLL_CTL_MOD, c, EPOLLIN);
}

static void accept_all(int ep, int listener) {
	for (int fd, on = 1; (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0;) {
		struct conn *c = calloc(1, sizeof *c);
		if (!c) die("calloc");
		c->fd = fd;
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
		if (!interest(ep, EPOLL_CTL_ADD, c, EPOLLIN)) die("epoll_ctl");
	}
	if (errno == EMFILE || errno == ENFILE) die("accept: raise ulimit -n");
}

static void serve_tcp(int listener) {
	struct conn self = {.fd = listener};
	struct epoll_event events[EVENTS];
	int ep = epoll_create1(0);
	if (ep < 0 || !interest(ep, EPOLL_CTL_ADD, &self, EPOLLIN)) die("epoll");
	for (;;) {
		int n = epoll_wait(ep, events, EVENTS, -1);
		if (n < 0 && errno != EINTR) die("epoll_wait");
		for (int i = 0; i < n; i++) {
			struct conn *c = events[i].data.ptr;
			if (c == &self)
				accept_all(ep, listener);
			else if (!(c->owed ? writable(ep, c) : readable(ep, c)))
				drop(c);
		}
	}
}

static void serve_udp(int fd) {
	static char data[BATCH][DATAGRAM];
	static struct mmsghdr in[BATCH], out[BATCH];
	static struct sockaddr_in peer[BATCH];
	static struct iovec iov[BATCH];
	for (;;) {
		for (int i = 0; i < BATCH; i++) {
			iov[i] = (struct iovec){data[i], DATAGRAM};
			in[i].msg_hdr = (struct msghdr){.msg_name = &peer[i], .msg_namelen = sizeof peer[i], .msg_iov = &iov[i], .msg_iovlen = 1};
		}
		int n = recvmmsg(fd, in, BATCH, MSG_WAITFORONE, NULL), m = 0;
		for (int i = 0; i < n; i++) {
			size_t len = in[i].msg_len;
			if (len < HEAD || whole(data[i], len) != (ssize_t)len) continue;
			uint32_t body;
			memcpy(&body, data[i] + 4, 4);
			if (HEAD + (size_t)le32toh(body) != len) continue; // exactly one frame
			iov[i].iov_len = len;
			out[m++] = in[i];
		}
		for (int k, done = 0; done < m; done += k) // one that cannot be sent is skipped
			if ((k = sendmmsg(fd, out + done, m - done, 0)) < 0) k = errno != EINTR;
	}
}

int main(int argc, char **argv) {
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int udp = 0, on = 1, bytes = 1 << 22;
	for (int o; (o = getopt(argc, argv, "p:m:u")) != -1;) {
		if (o == 'u') udp = 1;
		else if (o == 'p') a.sin_port = htons(atoi(optarg));
		else if (o == 'm') body_max = strtoul(optarg, NULL, 10);
		else return 2;
	}
	signal(SIGTERM, stop);
	signal(SIGPIPE, SIG_IGN);
	struct rlimit files;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	int fd = socket(AF_INET, udp ? SOCK_DGRAM : SOCK_STREAM | SOCK_NONBLOCK, 0);
	socklen_t size = sizeof a;
	if (fd < 0) die("socket");
	if (udp) setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
	else setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (bind(fd, (struct sockaddr *)&a, sizeof a) < 0 || getsockname(fd, (struct sockaddr *)&a, &size) < 0) die("bind");
	if (!udp && listen(fd, 65535) < 0) die("listen");
	printf("listening on 127.0.0.1:%d\n", ntohs(a.sin_port));
	fflush(stdout);
	udp ? serve_udp(fd) : serve_tcp(fd);
}
