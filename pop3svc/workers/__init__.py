"""
C{--workers N}: several processes behind the same listeners, one service to everybody else.

The I{parent} is twistd's process. It checks all options, reads keys and binds sockets while
it is still root, serves nobody itself, and starts its I{workers} after it has given root up:
Python programs of their own (L{pop3svc.workers.worker}), which get by inherited descriptors

  - the I{link}, a socket pair on which both speak AMP (L{Link}), made of L{Part}s: one for
    supervision, one for attempts to log in, ...;
  - the I{log}, a pipe of what is to stand in the parent's log (L{pop3svc.workers.logs});
  - the I{orders}, a memory file with JSON (L{pop3svc.workers.orders}): the command line, the
    limits, keys that must be the same in all, and which descriptor is what;
  - their listening sockets; the contents of files that only root may read; shared memory.

A worker's I{number} is 1..N. It names a place, not a process: whoever replaces a dead worker
has the same number, the same sockets, the same row in shared memory.

Whatever lives in a worker is gone with it: sessions, locks, its row, its attempts. Parts are
told so (L{Part.lost}), in the parent for each worker that ends, before it is replaced.
"""
