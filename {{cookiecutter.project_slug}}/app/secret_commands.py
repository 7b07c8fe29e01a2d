"""Secrets that are passed to programs, in a shell, in a list of arguments, or in a protocol.

What :mod:`app.redaction` says about the time of a search holds here, too.
"""

import re

REDACTED = "[redacted]"

# Options of well-known programs, as a shell takes them or in a list: "mysql -ppw", ['mysql', '-p', 'pw']. The name of
# a group is the key of its programs. "-p 8080:80" and "-u 1000:1000" are no secrets.
_OPTION = r"""(?x)
    -(?<=[\s'"]-) (?:
        (?P<any>(?:u|-user|-proxy-user)["']?,?[ =]?["']?(?!\d{1,6}:\d{1,6}\b)[^\s:"'-][^\s:"']{0,128}+:
          | \w{0,4}(?:store|key)pass["']?,?\s["']?)
      | (?P<database>[pw](?!assw|["']?,?\s?["']?[-\d]{1,5}(?:[\s"']|\Z))["']?,?\s?["']?)
      | (?P<login>(?:a|-auth)["']?,?[\s=]["']?)
      | (?P<archive>P["']?,?\s?["']?)
      | (?P<share>U["']?,?\s?["']?[^\s%]{1,64}+%)
      | (?P<openssl>(?:pass(?:in|out)?["']?,?\s["']?pass:|k["']?,?\s["']?))
      | (?P<htpasswd>\w{0,4}b\w{0,4}["']?,?\s\S{1,128}\s\S{1,64}\s["']?)
      | (?P<keygen>N["']?,?\s["']?)
      | (?P<isql>v["']?,?\s\S{1,64}\s\S{1,64}\s["']?)
      ) (?:(?<=["'])[^"'\n]++|[^\s"']++)"""
_PROGRAMS = {
    "any": "",
    "database": (
        r"(?<!\w)(?:mysql\w{0,16}|mariadb[\w-]{0,16}|sshpass|mongo\w{0,8}|7z|ldap\w{1,8}"
        r"|(?:docker|az)['\",]{0,3} ['\"]?login)(?!\w)"
    ),
    "login": r"(?<!\w)(?:redis-cli|valkey-cli|https?|xhs?)(?![\w:])",
    "archive": r"(?<!\w)(?:sqlcmd|ipmitool|zip|unzip|bcp)\b",
    "share": r"(?<!\w)(?:smbclient|rpcclient|curl|mount|net)\b",
    "openssl": r"(?<!\w)openssl\b",
    "htpasswd": r"(?<!\w)htpasswd\b",
    "keygen": r"(?<!\w)ssh-keygen\b",
    "isql": r"(?<!\w)isql\b",
}
# Programs and configurations that take a password without an option. A text without one of these has none of them.
_HAS_ARGUMENT = (
    "requirepass",
    "masterauth",
    "password(",
    "machine ",
    "oracle:",
    "sqlplus ",
    "dp ",
    "net use ",
    "p login ",
)
_ARGUMENT = r"""(?x)
    (requirepass\s|masterauth\s|\b(?:PASSWORD|\w{0,32}_password)\(["']|\bmachine\s\S{1,128}\s{1,4}login\s\S{1,64}\s{1,4}password\s
      | (?:jdbc:oracle:\w{1,8}+:|(?:sqlplus|impdp|expdp)\s(?:-\w\s){0,3}+)[\w$]{1,64}+/ | xfreerdp\s[^\n]{0,200}?/p:
      | \bnet\suse\s[^\n\\]{0,20}\\\\[\w.\\$-]{1,128}+\s(?!/)
      | \b(?:ftp|imap|smtp|pop3)\slogin\s[\w.@+-]{1,64}+/ ) ["']?[^\s"'@]++"""
# "credentials ada / pw", "user/password: ada/pw", getConnection(url, "ada", "pw"), smtp.login("ada", "pw")
_HAS_PAIR = ("credentials", "/pass", "/ pass", "getconnection", "basicauth", ".login(", ".authenticate(")
_PAIR = r"""(?ix)
    (\bcredentials\b:?\s(?:for\s|of\s)?[\w.@+-]{1,64}+\s?/\s?)
        (?=[^\s]{0,64}?\d)(?=[^\s]{0,64}?[A-Za-z])[^\s"'/]{5,128}+
      | ((?:basicauth|\.login|\.authenticate)\(["'][^"']{1,128}+["'],\s?["'])[^"']++
      | (getconnection\([^()]{1,256}?,\s?["'][^"']{1,64}+["'],\s?["'])[^"']++
      | (\b(?:user|username|login)\s?/\s?(?:password|pw|pass)\s?[:=]\s?[^\s/]{1,64}+\s?/\s?)[^\s"']++"""
# Commands of mail servers and of Redis, as a client's debugging prints them.
_COMMAND = r"""(?x)
    (\bAUTH\ (?:PLAIN|LOGIN|XOAUTH2)\ )(?=[A-Za-z0-9+/=]{0,512}[a-z])[A-Za-z0-9+/]{8,}+={0,2}(?![\w.:-])
      | (\b334\ UGFzc3dvcmQ6[^A-Za-z0-9]{1,8}(?:[rn]\\?n?\W{0,4})?(?:send:\ b?["'])?)[A-Za-z0-9+/=]{4,}+
      | ((?:(?:redis\S{0,16}|>|["'])\ ?AUTH|(?:FTP\ ?|>\ ?|["'])PASS)\ )
        (?=[^\s\d]{0,64}\d)[\w+/=!$%&*-]{6,128}+(?![\w./:])
      | (\bLOGIN\ (?!(?:user|by|for|from|as|of|with|ok|page|attempt|failed)\b)["']?[\w.@+-]{1,64}+["']?\ )
        (?:"[^"\n]{1,128}+ | (?=[^\s\d]{0,64}\d)[\w+/=!$%&*-]{6,128}+(?![\w./:]))"""
# "echo pw | sudo -S", "ada:pw | chpasswd"
_PIPED = r"""(?:(?<=echo )["']?|(?<=:))[^\s"':]{1,128}+(?=["']?\s{0,2}\|\s{0,2}(?:sudo|chpasswd|docker)\b)"""


def hide_options(text: str, has_option: bool) -> str:
    """Return the text without passwords that stand behind a program's option or are piped into a program."""
    if "LOGIN " in text:
        text = re.sub(_COMMAND, hide_after, text)
    if has_option:
        text = re.sub(_OPTION, _hide_option, text)
    if "|" in text and ("sudo" in text or "chpasswd" in text or "docker" in text):
        text = re.sub(_PIPED, REDACTED, text)
    return text


def hide_arguments(text: str, low: str) -> str:
    """Return the text without the passwords that programs take as arguments; ``low`` is the text in lower case."""
    if "AUTH " in text or "PASS " in text or "334 UG" in text:
        text = re.sub(_COMMAND, hide_after, text)
    if any(map(low.__contains__, _HAS_ARGUMENT)):
        text = re.sub(_ARGUMENT, rf"\1{REDACTED}", text)
    if any(map(low.__contains__, _HAS_PAIR)):
        text = re.sub(_PAIR, hide_after, text)
    return text


def hide_after(found: re.Match[str]) -> str:
    """Return the text of the match with its last group kept, and what follows the group hidden."""
    return f"{found[found.lastindex or 0]}{REDACTED}"


def _hide_option(found: re.Match[str]) -> str:
    option = found.lastgroup or ""
    line = found.string[max(0, found.start() - 200) : found.start()].rpartition("\n")[2]
    return f"-{found[option]}{REDACTED}" if re.search(_PROGRAMS[option], line) else found[0]
