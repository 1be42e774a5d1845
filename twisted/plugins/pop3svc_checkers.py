"""
The checkers that come with pop3svc, for C{--auth}.
"""

from pop3svc.lateplugins import LateCheckerFactory as Late

checkpassword = Late("checkpassword", "pop3svc.auth.checkpassword", "CheckpasswordCheckerFactory")
ldap = Late("ldap", "pop3svc.auth.ldap", "LdapCheckerFactory")
pam = Late("pam", "pop3svc.auth.pam", "PamCheckerFactory")
passwd = Late("passwd", "pop3svc.auth.passwd", "PasswdCheckerFactory")
oauth2 = Late("oauth2", "pop3svc.auth.oauth2", "OAuth2CheckerFactory")
sql = Late("sql", "pop3svc.auth.sql", "SQLCheckerFactory")
