"""
The checkers that come with pop3svc, for C{--auth}.
"""

from pop3svc.auth.checkpassword import CheckpasswordCheckerFactory
from pop3svc.auth.ldap import LdapCheckerFactory
from pop3svc.auth.oauth2 import OAuth2CheckerFactory
from pop3svc.auth.pam import PamCheckerFactory
from pop3svc.auth.passwd import PasswdCheckerFactory
from pop3svc.auth.sql import SQLCheckerFactory

checkpassword = CheckpasswordCheckerFactory()
ldap = LdapCheckerFactory()
pam = PamCheckerFactory()
passwd = PasswdCheckerFactory()
oauth2 = OAuth2CheckerFactory()
sql = SQLCheckerFactory()
