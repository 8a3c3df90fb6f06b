"""The web server that stands in every box: nginx with one small static page.

Its files are part of the root filesystem, so configuration and page are the same bits in every
arm.  It runs as root with one worker, writes only below /run and /tmp, logs nothing, and takes
whatever the box's filesystem has for the page: a static file is what such a server is for.
"""

from __future__ import annotations

from collections.abc import Mapping

from workloads.base import Service, Side

NGINX = "/usr/sbin/nginx"
PACKAGES = ("nginx",)
PORT = 8080
"""``runtimes.conventions.BOX_PORT``, which this package must not import."""

PATH = "/"

_ROOT = "/opt/tarebench/www"
_CONFIG = "/opt/tarebench/nginx.conf"
_TIMEOUT_S = 60.0

_FILLER = "tarebench weighs the box, and this page is the same in every one of them. "
PAGE_BYTES = 612
"""As long as the page that a fresh nginx shows, the usual subject of such measurements."""


def _page() -> str:
    head = "<!DOCTYPE html>\n<html><head><title>tarebench</title></head><body><p>"
    foot = "</p></body></html>\n"
    room = PAGE_BYTES - len(head) - len(foot)
    return head + (_FILLER * (room // len(_FILLER) + 1))[:room] + foot


_NGINX_CONF = f"""\
daemon on;
user root root;
worker_processes 1;
pid /run/tarebench-nginx.pid;
# With a file here, standard error is let go of when the daemon detaches.
error_log /dev/null crit;
events {{
  worker_connections 256;
}}
http {{
  access_log off;
  default_type text/html;
  server_tokens off;
  sendfile on;
  # A connection is kept for a whole measurement: no churn in a NAT's table.
  keepalive_requests 100000000;
  keepalive_timeout 300s;
  client_body_temp_path /tmp/tarebench-body;
  proxy_temp_path /tmp/tarebench-proxy;
  fastcgi_temp_path /tmp/tarebench-fastcgi;
  uwsgi_temp_path /tmp/tarebench-uwsgi;
  scgi_temp_path /tmp/tarebench-scgi;
  server {{
    listen 0.0.0.0:{PORT};
    root {_ROOT};
    index index.html;
  }}
}}
"""

FILES: Mapping[str, str] = {_CONFIG: _NGINX_CONF, f"{_ROOT}/index.html": _page()}

SERVER = Service(
    # It binds its socket before it detaches, so exit status 0 means that it answers.
    argv=(NGINX, "-q", "-c", _CONFIG),
    side=Side.BOX,
    timeout_s=_TIMEOUT_S,
)
