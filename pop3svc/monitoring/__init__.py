"""
C{--http}: metrics for Prometheus, health for a load balancer, and a status page.

Each process that serves takes plain numbers when it is asked (L{taking}); the one that
an administrator talks to puts them together (L{totals}) and shows them. Nothing here is
imported without C{--http}, and nothing of HTTP or Prometheus is where mail is served.
"""
