"""
Dovecot 2.3 as an expert sets it up for POP3 under load.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence

from .server import Server

# Each setting is here to make Dovecot fast; where pop3svc does more (it locks the
# maildrop for each session), Dovecot's cheaper default stays.
_SETTINGS = """\
base_dir = {directory}/run
state_dir = {directory}/state
log_path = {directory}/dovecot.log
instance_name = benchmark
protocols = pop3
listen = 127.0.0.1
verbose_proctitle = no

ssl = yes
ssl_cert = <{certificate}
ssl_key = <{certificate}
ssl_min_protocol = TLSv1.2
disable_plaintext_auth = no
auth_mechanisms = plain
auth_cache_size = 64 M
auth_cache_ttl = 1 hour
auth_cache_verify_password_with_worker = no
passdb {{
  driver = passwd-file
  args = username_format=%u {passwords}
}}
userdb {{
  driver = static
  args = uid=mail gid=mail home={mail}/%u
}}
first_valid_uid = 1
first_valid_gid = 1

# Indexes beside the mail would do as well; here they are easy to forget.
mail_location = maildir:{mail}/%u:INDEX={directory}/index/%u:CONTROL={directory}/index/%u
mail_fsync = optimized
mmap_disable = no
maildir_stat_dirs = no
# Reads cur/ only when its time has changed.
maildir_very_dirty_syncs = yes
# No flags are written for what was retrieved.
pop3_no_flag_updates = yes
# Exact sizes: the load generator counts octets.
pop3_fast_size_lookups = no
mail_max_userip_connections = 0

# High-performance login mode: processes are kept, and take many clients.
service pop3-login {{
  service_count = 0
  process_min_avail = {cores}
  client_limit = 20000
  vsz_limit = 1 G
  inet_listener pop3 {{
    port = {port}
  }}
  inet_listener pop3s {{
    port = {tlsPort}
    ssl = yes
  }}
}}
# One client at a time, one after the other.
service pop3 {{
  service_count = 0
  process_min_avail = 16
  process_limit = 20000
  vsz_limit = 1 G
}}
service auth {{
  client_limit = 50000
}}
service anvil {{
  client_limit = 50000
}}
service stats {{
  client_limit = 50000
}}
default_process_limit = 20000
default_client_limit = 50000
"""


class Dovecot(Server):
    """Its processes stay, its indexes and its auth cache are on."""

    def prepare(self) -> None:
        for each in ("run", "state", "index"):
            (self.directory / each).mkdir()
        shutil.chown(self.directory / "index", "mail", "mail")
        around = self.around
        settings = _SETTINGS.format(
            directory=self.directory,
            mail=self.mail,
            certificate=around.certificate,
            passwords=around.passwords,
            cores=len(around.cores),
            port=self.port,
            tlsPort=self.tlsPort,
        )
        (self.directory / "dovecot.conf").write_text(settings)

    def command(self) -> Sequence[str]:
        return ["/usr/sbin/dovecot", "-F", "-c", str(self.directory / "dovecot.conf")]

    def forget(self, user: str) -> None:
        super().forget(user)
        shutil.rmtree(self.directory / "index" / user, ignore_errors=True)
