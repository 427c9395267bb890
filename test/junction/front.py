"""nginx before a Junction: TLS by an authority of its own, HTTP/1.1 and HTTP/2.

Makes what it needs in the folder it is given, prints one line of JSON with the port and the authority's certificate,
and becomes nginx: whoever started it waits for the port, and ends nginx by SIGTERM.
"""

import argparse
import ctypes
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
from pathlib import Path

PR_SET_PDEATHSIG = 1

REQUEST = """
[req]
distinguished_name = name
prompt = no
[name]
CN = {name}
[authority]
basicConstraints = critical,CA:TRUE
keyUsage = critical,keyCertSign
subjectKeyIdentifier = hash
[server]
basicConstraints = CA:FALSE
subjectAltName = {names}
extendedKeyUsage = serverAuth
authorityKeyIdentifier = keyid
"""

# What the server misbehaves in must reach the client as it is: nothing is buffered, retried or timed out here.
# 444 is nginx's word for: close without an answer.
NGINX = """
daemon off;
{user}
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  {temporary}
  upstream junction {{ server 127.0.0.1:{upstream}; keepalive 64; }}
  server {{
    listen 127.0.0.1:{port} ssl http2;
    ssl_certificate {folder}/server.pem;
    ssl_certificate_key {folder}/server.key;
    ssl_protocols TLSv1.2 TLSv1.3;
    keepalive_requests 1000000;
    location / {{
      proxy_pass http://junction;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header X-Front-Connection $connection;
      proxy_set_header X-Front-Protocol $server_protocol;
      proxy_pass_header Date;
      proxy_buffering off;
      proxy_request_buffering off;
      proxy_read_timeout 1h;
      send_timeout 1h;
      proxy_next_upstream off;
    }}
    location = /_drop {{ internal; return 444; }}
  }}
}}
"""


def end_with_parent():
    """SIGTERM when whoever started this process has ended, however that came about; exec() does not change it."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def openssl(folder, *arguments):
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


def make_certificates(folder, names):
    """authority.pem, server.pem and server.key, good for two days."""
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    for name in ("authority", "server"):
        (folder / f"{name}.conf").write_text(
            REQUEST.format(name=f"Junction's {name}, for a test", names=names), encoding="ascii"
        )
    openssl(
        folder,
        "req",
        "-x509",
        *key,
        "-days",
        "2",
        "-config",
        "authority.conf",
        "-extensions",
        "authority",
        "-keyout",
        "authority.key",
        "-out",
        "authority.pem",
    )
    openssl(folder, "req", "-new", *key, "-config", "server.conf", "-keyout", "server.key", "-out", "server.csr")
    openssl(
        folder,
        "x509",
        "-req",
        "-in",
        "server.csr",
        "-CA",
        "authority.pem",
        "-CAkey",
        "authority.key",
        "-CAcreateserial",
        "-days",
        "2",
        "-extfile",
        "server.conf",
        "-extensions",
        "server",
        "-out",
        "server.pem",
    )


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def main():
    parser = argparse.ArgumentParser(description="nginx before a Junction.")
    parser.add_argument("--upstream", type=int, required=True, help="the port of junction.py")
    parser.add_argument("--folder", type=Path, required=True, help="an empty one, which whoever starts this removes")
    parser.add_argument("--nginx", default=os.environ.get("WEARABLES_NGINX") or "nginx")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--names", default="IP:127.0.0.1,DNS:localhost", help="whom the certificate is good for")
    options = parser.parse_args()
    folder, port = options.folder.resolve(), options.port or free_port()
    program = shutil.which(options.nginx) or shutil.which(options.nginx, path="/usr/sbin:/sbin")
    if program is None:
        raise SystemExit(f"there is no {options.nginx}")
    end_with_parent()
    make_certificates(folder, options.names)
    temporary = " ".join(
        f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    # root's nginx would hand its work to a user who cannot come into the folder
    user = f"user {pwd.getpwuid(os.getuid()).pw_name};" if os.getuid() == 0 else ""
    (folder / "nginx.conf").write_text(
        NGINX.format(user=user, folder=folder, temporary=temporary, upstream=options.upstream, port=port),
        encoding="utf-8",
    )
    print(json.dumps({"port": port, "authority": str(folder / "authority.pem"), "pid": os.getpid()}), flush=True)
    os.execv(program, [program, "-e", str(folder / "error.log"), "-p", str(folder), "-c", str(folder / "nginx.conf")])


if __name__ == "__main__":
    main()
