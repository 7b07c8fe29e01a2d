"""Texts with a secret, and similar texts without one.

The secrets are made up and written in pieces, so that no scanner of repositories takes them for real ones. ``§`` stands
for the secret in its text.
"""

WORD = "hun" + "ter2"
LONG = "wJalr" + "XUtnFEMI" + "K7MDENGb" + "PxRfiCY" + "1Example"
HEX = "9f86d081" + "884c7d65" + "9a2feaa0" + "c55ad015"
TOKEN = "Zx8k" + "Q2vLmP" + "0sT4uWy" + "B7nR"
HEADER, BODY, SIGNED = (
    "eyJ" + "hbGciOiJIUzI1NiJ9",
    "eyJ" + "zdWIiOiI0MiJ9",
    "SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c",
)
JWT = f"{HEADER}.{BODY}.{SIGNED}"
BASIC = "YWRh" + "Omh1" + "bnRlcjI="
BCRYPT = "$2" + "b$12$" + "EixZaYVK1fsbw1ZfbX3OXePaWxn96p36WQoeG6Lruj3vjPGga31lW"
PEM = "MIIEowIBAAKCAQEA" + "x4UbaDzY5xjW6hc9jwN0mX33XpTDVh"
CARD = "4111" + "1111" + "1111" + "1111"


def vendor(prefix: str, rest: str = TOKEN) -> tuple[str, str]:
    return "Rejected §", prefix + rest


SECRETS: list[tuple[str, str]] = [
    # Said, assigned, in the output of programs
    ("password=§", WORD),
    ("login failed: user=ada password=§ from 10.0.0.5", WORD),
    ("Password: §", WORD),
    ("Passwort: §", WORD),
    ("passwd = '§'", WORD),
    ('pwd: "§"', WORD),
    ("The password is §", WORD),
    ("password '§' was refused", WORD),
    ("trying passphrase: §", "correct horse battery staple"),
    ("DB_PASSWORD=§", WORD),
    ("export PGPASSWORD='§'", WORD),
    ("MYSQL_PWD=§ mysqldump shop", WORD),
    ("set smtp_pass to: smtp_pass=§", WORD),
    ("db-pass: §", WORD),
    ("SECRET_KEY=§", LONG),
    ("DJANGO_SECRET_KEY = '§'", "django-insecure-" + "#k2v!x&l9(p)q"),
    ("client_secret: §", LONG),
    ("clientSecret=§,", LONG),
    ("api_key=§", HEX),
    ("API key: §", HEX),
    ("apiKey: '§'", HEX),
    ("x-api-key: §", HEX),
    ("Invalid API key §", HEX),
    ("signing_key=§", HEX),
    ("signing key: §", HEX),
    ("encryption-key: §", HEX),
    ("aws_secret_access_key = §", LONG),
    ("access token: §", TOKEN),
    ("refresh_token=§", TOKEN),
    ("Invalid token §", HEX),
    ("reset token is §", HEX),
    ("csrf_token=§", TOKEN),
    ("sessionid=§; path=/", HEX),
    ("session=§", HEX),
    ("user_pin=§", "4831"),
    ("PIN: §", "48312"),
    ("otp=§", "483920"),
    ("Your verification code: §", "483920"),
    ("backup_code=§", "a1b2-c3d4"),
    ("recovery code § used for ada", "R7K2-9QMX-4HTP"),
    ("social security code §", "483920"),
    ("cvv=§", "837"),
    ("card_cvc: §", "837"),
    ("ssn=§", "078-05-" + "1120"),
    ("SSN: §", "078-05-" + "1120"),
    ("connection_string=§", f"Server=db;Uid=ada;Pwd={WORD}"),
    ("jwt=§", "aaaa1111bbbb"),
    ("mysqldump -u root -p§ shop", WORD),
    ("sshpass -p § ssh ada@host", WORD),
    ("curl -u ada:§ https://example.com", WORD),
    ("backup.sh --password § --verbose", WORD),
    ("backup.sh --password § --verbose", "rosebud"),
    ("cc_number=§", "883711204455"),
    ("backup.sh --db-password=§", WORD),
    ("deploy --token § --env prod", TOKEN),
    ("ALTER USER ada WITH PASSWORD '§'", WORD),
    ("CREATE USER 'ada'@'%' IDENTIFIED BY '§'", WORD),
    ("machine db login ada password §", WORD),
    # Said less plainly, of tools, of mails
    ("connect ada:§@db1:5432", WORD),
    ("Password is: §", WORD),
    ("password -> §", WORD),
    ("password → §", WORD),
    ("password|§", WORD),
    ("new password for ada: §", WORD),
    ("password for ada is §", WORD),
    ("the admin password is now §", WORD),
    ("Password reset to § by admin", WORD),
    ("passcode § refused", "a5802b13"),
    ("wrong PIN §", "7391"),
    ("PASSWORD § in a Dockerfile: ENV DB_PASSWORD §", WORD),
    ("aws configure set aws_secret_access_key §", LONG),
    ("client secret '§' was refused", TOKEN),
    ("unseal key 1: §", LONG[:30] + "="),
    ("mot de passe : §", WORD),
    ("contraseña: §", WORD),
    ("SNMP community string: §", WORD),
    ("wifi psk=§", WORD),
    ("X-Registry-Auth: §", TOKEN),
    ('<wsse:Password Type="x">§</wsse:Password>', WORD),
    ("Enter passphrase for key '/home/ada/.ssh/id_rsa': §", WORD),
    ("Digest username=ada, realm=shop, response='§'", HEX),
    ("redis-cli -h cache -a § ping", WORD),
    ("mysql -p§", WORD),
    ("mongo -u ada -p § shop", WORD),
    ("docker login -u ada -p § registry.example.com", WORD),
    ("ldapsearch -x -D cn=a -w § x", WORD),
    ("sqlcmd -S db -U sa -P §", WORD),
    ("echo § | sudo -S ls", WORD),
    ("echo § | docker login -u ada --password-stdin", WORD),
    ("ada:§ | chpasswd", WORD),
    ("htpasswd -b users ada §", WORD),
    ("jdbc:oracle:thin:ada/§@db:1521:xe", WORD),
    ('getConnection("jdbc:mysql://db/shop", "ada", "§")', WORD),
    ("credentials ada / §", WORD),
    ("user/password: ada/§", WORD),
    ("requirepass §", WORD),
    ("AUTH PLAIN §", BASIC),
    ("a1 LOGIN ada §", WORD),
    ("security code is §", "73920418"),
    ("2FA code § accepted", "482913"),
    ("OTP for ada: §", "482913"),
    ("§ is your Shop login code", "482913"),
    ("Use § to sign in", "482913"),
    ("Your code is §", "482913"),
    ("Your Acme code is §", "482913"),
    ("hibernate.connection.password §", WORD),
    ("credentials:\n  token: §", TOKEN),
    # JSON, reprs, forms
    ('{"user": "ada", "password": "§"}', WORD),
    ("{'user': 'ada', 'password': '§'}", WORD),
    ('{"token":"§","id":5}', TOKEN),
    (r'body: "{\"password\": \"§\", \"id\": 5}"', WORD),
    ('{"pin": §}', "4831"),
    ('{"passwords": ["§"]}', WORD),
    ("{&quot;password&quot;: &quot;§&quot;}", WORD),
    ("%7B%22password%22%3A%22§%22%7D", WORD),
    ("username=ada&password=§&next=%2F", WORD),
    ("user[password]=§&user[name]=ada", WORD),
    ("user%5Bpassword%5D=§&a=1", WORD),
    ("b'username=ada&password=§'", WORD),
    (r"b'{\"password\": \"§\"}'", WORD),
    ("Login(user='ada', password='§')", WORD),
    ("Credentials(user='ada', api_key='§', active=True)", HEX),
    ("namespace(secret='§')", WORD),
    ("[('Authorization', 'Bearer §'), ('Host', 'a')]", TOKEN),
    ("[(b'authorization', b'Basic §')]", BASIC),
    ("ImmutableMultiDict([('username', 'ada'), ('password', '§')])", WORD),
    ("requests.get(url, auth=('ada', '§'))", WORD),
    ("<login><password>§</password></login>", WORD),
    ('<input name="csrf_token" type="hidden" value="§">', TOKEN),
    ('Content-Disposition: form-data; name="password"\r\n\r\n§\r\n--x', WORD),
    ('[{"name": "DB_PASSWORD", "value": "§"}]', WORD),
    ("spring.datasource.password=§", WORD),
    ("password: str = '§'", WORD),
    # Headers
    ("Authorization: Bearer §", TOKEN),
    ("Authorization: Basic §", BASIC),
    ("authorization=Token §", HEX),
    ("Proxy-Authorization: Basic §", BASIC),
    ("sent Bearer § and got 401", TOKEN),
    ("got Basic § from the client", BASIC),
    ("Cookie: session=§; theme=dark", TOKEN),
    ("Cookie: theme=dark; remember_token=§", TOKEN),
    ("Set-Cookie: id=§; HttpOnly; Path=/", TOKEN),
    ("X-Auth-Token: §", HEX),
    ("X-CSRF-Token: §", TOKEN),
    ("{'Cookie': 'session=§; a=b'}", TOKEN),
    # Addresses
    ("postgresql://ada:§@db:5432/shop", WORD),
    ("redis://:§@cache:6379/0", WORD),
    ("amqp://ada:§@mq//", "p@ss" + WORD),
    ("mongodb+srv://ada:§@cluster0.example.net/shop?retryWrites=true", WORD),
    ("https://ada:§@example.com/path", WORD),
    ("cloning https://§@git.example.com/shop.git", HEX),
    ("smtp://ada%40example.com:§@mail:587", WORD),
    ("GET /reset?token=§ 200", HEX),
    ("GET /reset?id=5&reset_token=§#top", HEX),
    ("/callback?code=§&state=5", "4%2F0AX4XfWi" + "G7hs2kPq9ZtY1uV"),
    ("/callback#access_token=§&token_type=bearer", TOKEN),
    ("https://a.blob.core.windows.net/x?sv=2024&sig=§", "kX9%2Fq1Zb8Lw%3D"),
    ("https://s3.example.com/x?X-Amz-Signature=§", HEX),
    ("https://maps.example.com/geo?key=§", TOKEN),
    ("next=%2Freset%3Ftoken%3D§", HEX),
    # DSNs
    ("host=db user=ada password=§ dbname=shop", WORD),
    ("host=db password='§' dbname=shop", "it is " + WORD),
    ("Driver={ODBC Driver 18};Server=db;UID=ada;PWD=§;Encrypt=yes", WORD),
    ("Driver={x};Server=db;UID=ada;PWD={§};Encrypt=yes", "semi" + WORD),
    ("Server=db;User Id=ada;Password=§;Trusted_Connection=no", WORD),
    ("DefaultEndpointsProtocol=https;AccountName=a;AccountKey=§;EndpointSuffix=x", LONG + "=="),
    ("Endpoint=sb://a/;SharedAccessKeyName=Root;SharedAccessKey=§", LONG + "="),
    ("jdbc:mysql://db/shop?user=ada&password=§", WORD),
    ("dsn: §", f"db1;uid=ada;{WORD}"),
    # By form alone
    ("signed in with §", JWT),
    ("GET /confirm/§ 200", JWT),
    ("cookie value §", ".eJ" + "wlzjEOwjAMAF" + "C7pGZw" + ".Zx8kQ2." + "vLmP0sT4uWyB7nRk3cD1eF5g"),
    vendor("AK" + "IA", "IOSFODNN7" + "EXAMPLE"),
    vendor("AS" + "IA", "IOSFODNN7" + "EXAMPLE"),
    vendor("gh" + "p_"),
    vendor("gh" + "s_"),
    vendor("github" + "_pat_", "11ABCDEFG0_" + TOKEN),
    vendor("gl" + "pat-"),
    vendor("sk_" + "live_"),
    vendor("rk_" + "test_"),
    vendor("wh" + "sec_"),
    vendor("xo" + "xb-", "123456789012-" + TOKEN),
    vendor("xo" + "xp-", "123456789012-" + TOKEN),
    vendor("xa" + "pp-", "1-A012-" + TOKEN),
    ("posting to https://hooks.slack.com/services/§", "T0123/B4567/" + TOKEN),
    ("https://discord.com/api/webhooks/1234567890/§", TOKEN + TOKEN),
    ("https://api.telegram.org/bot§/sendMessage", "123456789:" + "AA" + HEX + "x"),
    vendor("AI" + "za", "SyD" + TOKEN + "0123456789"),
    vendor("ya" + "29.", "a0Af" + TOKEN),
    vendor("GOC" + "SPX-"),
    vendor("n" + "pm_", TOKEN + "abcdefghij"),
    vendor("py" + "pi-", "AgE" + "IcHlwaS5vcmc" + TOKEN),
    vendor("S" + "G.", TOKEN + "." + TOKEN),
    vendor("sk" + "-", TOKEN + TOKEN),
    vendor("sk" + "-ant-", "api03-" + TOKEN),
    vendor("h" + "f_", TOKEN + "abcd"),
    vendor("hv" + "s.", "CAESI" + TOKEN),
    vendor("shp" + "at_", HEX),
    vendor("dop" + "_v1_", HEX + HEX),
    ("key material:\n-----BEGIN RSA PRIVATE " + "KEY-----\n§\n-----END RSA PRIVATE " + "KEY-----", PEM),
    (r"'-----BEGIN PRIVATE " + r"KEY-----\n§\n-----END PRIVATE " + r"KEY-----\n'", PEM),
    ("-----BEGIN OPENSSH PRIVATE " + "KEY-----\n§", PEM),
    ("hash §", BCRYPT),
    ("hash §", "$ar" + "gon2id$v=19$m=65536,t=3,p=4$" + TOKEN + "$" + LONG),
    ("hash §", "scr" + "ypt:32768:8:1$" + "Zx8kQ2vLmP0sT4uW$" + HEX + HEX),
    ("hash §", "pbk" + "df2_sha256$600000$" + "Zx8kQ2vL$" + LONG),
    ("root:§:19000:0:99999:7:::", "$" + "6$" + "Zx8kQ2vL$" + LONG + HEX),
    ("ada:§", "$ap" + "r1$" + "Zx8kQ2vL$" + "Zx8kQ2vLmP0sT4uWyB7nR"),
    ("hash §", "$" + "y$j9T$" + "Zx8kQ2vL$" + LONG),
    ("userPassword: §", "{SS" + "HA}" + TOKEN + TOKEN),
    ("Failing row contains (5, ada, §, null).", WORD),
    ("paid with §", CARD),
    ("paid with §", "4111 " + "1111 " + "1111 " + "1111"),
    ("paid with §", "5555-" + "5555-" + "5555-" + "4444"),
    ("paid with § today", "3782" + "822463" + "10005"),
    ("paid with §", "2223" + "0031" + "2200" + "3222"),
    ('{"card": "§"}', "6011" + "1111" + "1111" + "1117"),
    ("paid with §", "3056" + "930902" + "5904"),
    ("paid with §", "3530" + "1113" + "3330" + "0000"),
    # Given to programs, in lists of arguments, in protocols
    ("Command '['mysqldump', '-uroot', '-p§', 'shop']' failed", WORD),
    ("['mysql', '-p', '§']", WORD),
    ("['psql', '--password', '§', 'shop']", WORD),
    ("['curl', '-u', 'ada:§', 'https://example.com']", WORD),
    ("['htpasswd', '-b', 'users', 'ada', '§']", WORD),
    ("http -a ada:§ GET https://example.com", WORD),
    ("openssl enc -aes-256-cbc -k § -in a", WORD),
    ("ssh-keygen -N '§' -f id", WORD),
    ("keytool -importkeystore -srcstorepass § -deststorepass b", WORD),
    ("isql -v DSN ada §", WORD),
    ("zip -P § a.zip b", WORD),
    ("sqlplus ada/§@orcl", WORD),
    (r"net use Z: \\srv\share § /user:ada", WORD),
    ("xfreerdp /u:ada /p:§ /v:host", WORD),
    ("ftp login ada/§", WORD),
    ("machine example.com login ada password §", "nonumber"),
    ("LOGIN ada §", WORD),
    ('a1 LOGIN "ada" "§"', WORD),
    ("AUTH PLAIN §", "AGFkYQB" + "sMHZlbGFjZQ=="),
    ("334 UGFzc3dvcmQ6\r\n§", "aHVu" + "dGVyMg=="),
    (r"send: 'PASS §\r\n'", WORD),
    # In statements
    ("ALTER USER 'ada'@'%' IDENTIFIED BY '§'", "idPw1"),
    ("SET PASSWORD FOR ada = PASSWORD('§')", WORD),
    ("INSERT INTO users (name, password) VALUES ('ada', '§')", WORD),
    ("[SQL: UPDATE users SET token=? WHERE id=?]\n[parameters: ('§', 3)]", WORD),
    ("[SQL: SELECT id FROM sessions WHERE token = ?]\n[parameters: ('§',)]", WORD),
    ("[SQL: INSERT INTO users (name, api_token) VALUES (%s, %s)]\n[parameters: ('ada', '§')]", WORD),
    # In other languages
    ("wachtwoord=§", WORD),
    ("parola: §", WORD),
    ("Kennwort '§' ist falsch", "kenn0"),
    ("Ihr neues Passwort lautet: §", WORD),
    ("hasło: §", WORD),
    ("пароль: §", WORD),
    ("密码=§", WORD),
    ("パスワード：§", WORD),
    ("비밀번호: §", WORD),
    ("Ihr Code lautet §", "583920"),
    ("Votre code de vérification est §", "883412"),
    ("Il tuo codice è §", "720915"),
    # Codes
    ("TAN: §", "739201"),
    ("code: § sent to ada", "482913"),
    ("invalid code §", "482913"),
    ("Use code § to finish signing in", "661209"),
    ("recovery code is §", "FJ3K-9XQ2-LL0P"),
    ("backup codes: 1a2b-3c4d, §", "9d0s-11mz"),
    ('{"recovery_codes": ["1a2b-3c4d", "§"]}', "9d0s-11mz"),
    # Twice, in addresses, with other names
    ("password=§&confirm=§", WORD),
    ("Your password has been set to §", WORD),
    ("GET /reset-password/§ 200", "ImFkYSI" + ".ZxYQ3w." + "0c2Yw5mT0bKXt9M8Z4qfR0kzJpY"),
    ("signed ada:1tGxYz:§", TOKEN + "9aBcDeFgHiJkLmNoPqRsTuVw"),
    ("https://example.com/login/magic/§", HEX),
    ("https://example.com/reset/MjM/§", "c3k9a1-8f0e2d4c6b8a0f1e3d5c7b9a1f3e5d7c"),
    ("sip:ada:§@example.com", WORD),
    ("X-Hub-Signature-256: sha256=§", HEX + HEX),
    ('{"auths": {"registry.example.com": {"auth": "§"}}}', "YWNtZTpkMGNrZXI="),
    ("code_verifier=§", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
    ("device_code=§", "GmRhmhcxhwAzkoEqiMEgDnyEysNkuNhszIySkeS"),
    ("shop_session=§; path=/", TOKEN),
    ('<setting name="Password">§</setting>', WORD),
    vendor("h" + "f_", "QwErTyUiOpAsDfGhJkLzXcVbNmQwErTyUi"),
    vendor("ke" + "y-", "3ax6xnjp29jd6fds4gc373sgvjxteol0"),
    ("Private-Lines: 1\n§\nPrivate-MAC: 00", "AAABAQC7" + "vbq"),
    # Behind attributes, within a DSN, by their place in a call
    (f'<wsse:Password Type="http://docs.example.org/{"username-token-profile-" * 4}1.0#PasswordText">§<', WORD),
    ("dsn was: host=db1 user=app password='§' sslmode=require", "tundra\\'nyqy lantern21"),
    ("GET /oauth/callback?code=4/§&state=xyz HTTP/1.1", "0AD2K_pBp5D3kFNhD-iHvOJR--yzMztC"),
    ("    server.login('noreply@example.com', '§')", "Meadow#550x"),
    ("requests.get(url, auth=HTTPBasicAuth('ada', '§'))", WORD),
    ("    client.authenticate('ada', '§')", WORD),
    ("    user.set_password('§')", WORD),
    ("<RequestsCookieJar[<Cookie sessionid=§ for intranet.example.com/>]>", TOKEN),
]

HARMLESS = """\
Engine(postgresql+psycopg://app:***@db:5432/app)
Stock of X-100 is low
order 2026112800012345 was paid
order 4000123412341235 was shipped
order 1234567890123456 is waiting
order 9876543210987654 is waiting
customer 5000000000000001 called
invoice 8800000000000042 sent
transaction 1764297600000123 confirmed
ISBN 978-3-16-148410-0
ISBN 9783161484100
EAN 4006381333931
EAN 4012345678901
IMEI 490154203237518
tracking number 00340434161094042557
phone +49 30 901820 12 34
phone +1-202-555-0143
IBAN of the shop: see the contract
3fa85f64-5717-4562-b3fc-2c963f66afa6
Job 3fa85f64-5717-4562-b3fc-2c963f66afa6 finished
request id 3fa85f6457174562b3fc2c963f66afa6
request_id=3fa85f6457174562b3fc2c963f66afa6
X-Request-ID: a1b2-c3
Root=1-67891233-abcdef012345678912345678
commit 1558685b8e3a0f7c9d2e4a6b8c0d1e2f3a4b5c6d
deployed 1558685 to production
sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
sha1 da39a3ee5e6b4b0d3255bfef95601890afd80709
md5 d41d8cd98f00b204e9800998ecf8427e
md5: d41d8cd98f00b204e9800998ecf8427e
etag "33a64df551425fcc55e4d42a148795d9f25f89d4"
ETag: W/"0815"
trace 4bf92f3577b34da6a3ce929d0e0e4736
traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
object 507f1f77bcf86cd799439011
ulid 01ARZ3NDEKTSV4RRFFQ69G5FAV
GET /shops?code=DE 200
GET /shops?code=DE&page=2 200
/countries?code=DE-BY
/vouchers?code=SUMMER2026
/search?q=token+ring&page=2
/search?q=password+manager
/search?keyword=shoes&sort=price
/list?sort_key=created&monkey=1
/list?primary_key=5
/list?key=name
/page?id=5#section-3
/page#code=DE
https://example.com/items/12?page=3
http://localhost:8080/path?email=ada@example.com
http://host:80/a@b
https://example.com/@ada
mailto:ada@example.com
git@github.com:ada/shop.git
ssh://git@github.com/ada/shop.git
https://github.com/ada/shop/commit/1558685b8e3a0f7c9d2e4a6b8c0d1e2f3a4b5c6d
s3://bucket/2026/11/28/archive.tar.gz
sqlite:////srv/shop/instance/app.db
postgresql://db/shop
postgresql://ada@db/shop
pin the version
pin the version: 1.2.3
pinned Flask==3.1.3
pip install Flask>=3.1.3,<4
GPIO pin 17 went high
pin=17
pin: GPIO4
shipping=5.90
opinion: good
spinning up 3 workers
secretary: Bob
the secret of success
keyboard=de
keyword: shoes
monkey=5
primary key: id
foreign key: user_id
key: name
KeyError: 'password'
KeyError: 'token'
missing key: name
sort key: created_at
status code: 404
exit code=1
exit code: 137
error code: E1234
country_code=DE
zip code: 10117
postal_code=10117
code=DE
code: 200
barcode=4006381333931
encoding=utf-8
decode error at 5
password changed
Password changed for user ada
password: must be at least 8 characters
password: This field is required.
Password: required
password: too short
passwords do not match
password is required
password is too short
The password of ada was changed
Invalid password for ada
wrong password
password=None
password=''
"password": ""
"password": null
{'password': None, 'user': 'ada'}
{'password': ['This field is required.']}
{'password': ['Field must be at least 8 characters long.']}
password=********
password=%s
password=%(password)s
password={password}
password=<redacted>
password=[redacted]
password=${DB_PASSWORD}
password: "***"
has_password=True
password_changed_at=2026-11-28T02:31:53
password_length=12
password_policy=strict
password_file=/run/secrets/db
PasswordTooShort: 8 characters are needed
passwords.py:12
File "/srv/app/passwords.py", line 12, in check
File "/srv/app/tokens.py", line 5, in make_token
app/secrets.py:40: DeprecationWarning
tests/test_token.py:12: AssertionError
token expired
Token: expired
token: missing
Invalid token
invalid token
InvalidTokenError: Signature has expired
ExpiredSignatureError: Signature has expired
CSRFError: The CSRF token is missing.
The CSRF token is missing.
The CSRF session token is missing.
csrf: failed
csrf_enabled=True
Unexpected token: }
SyntaxError: Unexpected token < in JSON at position 0
token_type=bearer
token_count=512
max_tokens=4096
"max_tokens": 4096
prompt_tokens=120 completion_tokens=64 total_tokens=184
tokens: 512
tokens=15
tokenizer=bert-base-uncased
token of user 5 was renewed
Revoked token 42
2 secrets found
secrets: 3
secret "db-creds" not found
cookies: 4
cookies=enabled
cookie_name=shop_session
cookiecutter=1.7.3
cookiecutter: 2.6.0
session closed
session=closed
session: open
session 42 opened
Session <Session 5> closed
auth=basic
auth: ok
auth failed
author=Ada
author: Ada Lovelace
authority=example.com
authenticated=True
Basic authentication failed
basic understanding
Bearer authentication is required
bearer of bad news
WWW-Authenticate: Basic realm="shop"
signature=v1
signature: valid
design=flat
signal=15
sig=15
pass=12 fail=0
pass: 12, fail: 3
passed=12
passes: 3
bypass=off
compass=NE
passenger: Ada
passport control
credentials: missing
credentials were refused
dsn is not set
bearer=unknown
otp: enabled
<User 5>
<User(id=5, name='ada')>
User(id=5, name='ada', email='ada@example.com')
Point(x=1.5, y=2)
Decimal('3.14')
datetime.datetime(2026, 11, 28, 2, 31, 53)
UUID('3fa85f64-5717-4562-b3fc-2c963f66afa6')
PosixPath('/srv/shop/app.log')
namespace(a=1, b='two')
<Response 1842 bytes [200 OK]>
<Request 'http://localhost/' [GET]>
ImmutableMultiDict([('q', 'shoes'), ('page', '2')])
[('Host', 'localhost'), ('Accept', '*/*')]
['username', 'password', 'email']
('username', 'password')
f() got an unexpected keyword argument 'token'
'NoneType' object has no attribute 'password'
b'\\x89PNG\\r\\n\\x1a\\n'
iVBORw0KGgoAAAANSUhEUgAAAAUAAAAFCAYAAACNbyblAAAAHElEQVQI12P4.png
data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAUA
image-3fa85f6457174562b3fc2c963f66afa6-large.jpg
dist/main.8f3a9c1b2d4e5f60.js
0.4111111111111111
3.141592653589793238
1764297600.123456
1764297600123
2026-11-28 02:31:53,123
2026-11-28T02:31:53.123456+00:00
[28/Nov/2026:02:31:53 +0000] "GET / HTTP/1.1" 200 5316
127.0.0.1 - - [28/Nov/2026 02:31:53] "GET /items HTTP/1.1" 200 -
10.0.0.5:54321
[::1]:8080
2001:0db8:85a3:0000:0000:8a2e:0370:7334
00:1a:2b:3c:4d:5e
Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0
SELECT users.id, users.password_hash FROM users WHERE users.id = ?
INSERT INTO users (username, password_hash) VALUES (?, ?)
UNIQUE constraint failed: users.email
duplicate key value violates unique constraint "uq_users_email"
Key (email)=(ada@example.com) already exists.
column "token" of relation "users" does not exist
SAVEPOINT sa_savepoint_1
costs $5 or $10
price=$1,200.50
regex ^\\$1\\$
echo $HOME $PATH
${HOME}/bin
five * five = 25
*** starting ***
-----BEGIN CERTIFICATE-----
-----BEGIN PUBLIC KEY-----
ssh-ed25519 fingerprint of host db1
Sk-learn 1.5 is installed
sk-learn-estimator
gh_pages branch
AKIA is a prefix
eyJ is how JSON begins in base64
hf_transfer is enabled
npm_config_registry is set
xoxo from all of us
Retry-After: 30
retries=3 delay=0.5 jitter=0.1
took 13 ms, 5 queries
worker 12345 (pid: 678) exited
Exception on /items/12 [GET]
ValueError: invalid literal for int() with base 10: 'x'
ZeroDivisionError: division by zero
progress: 100%
100% of 5 done
user=ada action=login result=ok
{"user": "ada", "items": [1, 2, 3], "ok": true}
{"level": "info", "msg": "started", "port": 5000}
naïve café – 東京 🎉
-p 8080:80
psql -p 5432 -U ada shop
rsync -u src dst
run --verbose --key-file ./tls.pem
run --no-token
the code is 42
the key is under the mat
SSN is not stored
CVV: not stored
state=open
state: CA
hash=1558685
password is required:
security code is missing
security code: missing
password -> see docs
password -> password_hash
password|string|required
| password | varchar | not null |
token|integer
Digest of week 12
Digest of week 12, response=late
sha256 digest=short
token is invalid
the pin on the map
secret garden
mail to ada@example.org:25 failed
reply from ada@example.org: thanks
connected to db1:5432
image nginx:1.27@sha256 was pulled
pulled nginx:1.27@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
at 12:30@room 5
new password for ada: try again
new password for ada was set
password for ada: too short
password of ada: 3 attempts left
Enter password for ada:
credentials and / or tokens
credentials: see the wiki
credentials for ada / bob were refused
credentials of 5 / 12 users
status code is 404
the exit code is 137
postal code is 10117
the code was reviewed by 3 people
42 is your number
5 is your code review
ls -a /srv
grep -a 404 access.log
docker run -p 8080:80 nginx
docker run -u 1000:1000 nginx
mkdir -p build/2026
cp -p a1 b2
mysql -P 3306 -u ada shop
mysqldump --port 3306 shop
redis-cli -h cache1 -p 6379 ping
curl -a -x proxy1 example.com
curl -u is missing
tar -p -xf archive1.tar
ssh -p 2222 ada@host1
key -> value1
keys: 3, values: 5
author -> Ada2
auth -> basic1
tokens | 512
pass | 12
session -> closed
pinned -> 1.2.3
two passes: 1.5 s and 2.5 s
cookie jar has 12 items
passwd entry of uid 1000
GET /api/tokens/42 200
GET /password/reset 302
POST /users/5/password 204
password reset mail was sent to ada@example.org
password_reset_timeout=3600
compass: 270 degrees
<password/>
<token>missing</token>
<password></password>
kid=2026-01
response=200
nonce is too old
x-request-signature is absent
secretName: db-creds
serviceAccount: default
imagePullSecrets: none
code review: 3 findings
access code path: app/main.py
the one-time job 482913 is done
order 482913 is ready
use 2 as your factor
your postal code is 10117
your order code is 12345
Your code is 12
PASS test_login2
AUTH oauth2 failed
LOGIN page version2
international plan: 12345
edit -> key5value
auth -> session5
at 10:30@hall5:80
user/group: www/data1
account 5 / 12345678
2 of 3 codes are valid
code review 12345678 is open
source code 12345
GET /orders?page=2&order=desc HTTP/1.1
GET /search?code=DE&zip=10115 200 12ms
password reset mail queued for user 42
the password must be at least 8 characters long
token expired after 3600 seconds
invalid token: unexpected end of input
SyntaxError: unexpected token '}' in line 3
tokenizer produced 1482 tokens in 12 ms
pin the version of SQLAlchemy to 2.0.36
pinned orders: 3
secretary@example.org subscribed
keyboard layout: de_DE
KeyError: 'user_id'
foreign key constraint fk_orders_user failed
the key 'colour' is missing
cache key orders:42:de expired
sort key=created_at desc
public key fingerprint SHA256 matches
commit 9f86d081884c7d659a2feaa0c55ad015a3bf4f1b deployed
request 6f1c2a3b-4d5e-6f70-8192-a3b4c5d6e7f8 took 12 ms
order 4929384756102938 shipped
IBAN check failed
phone +49 30 901820
ISBN 978-3-16-148410-0 added to the cart
build 20241128.3 of main
sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae pulled
Content-Type: application/json; charset=utf-8
Content-Length: 1832
Set 4 cookies, dropped 1
cookie consent given: statistics=no
authorization is checked in before_request
Authorization header is missing
user ada is not authorized to edit post 3
auth backend: ldap
basic auth is disabled
Bearer authentication required
authority: example.org
error code: 1045
HTTP code: 502 from upstream
country code: 49
postal code: 90210
code=404, name='Not Found'
{"code": 422, "message": "unprocessable"}
return code 3
SQLSTATE code 23505
invite 3 users
login page rendered in 12 ms
login as ada succeeded
logged in with Google
logged in with 2 devices
logged in from 203.0.113.9
LOGIN failed for ada
login: ada
user login count=3
session 3 of 5 started
sessions: 14 open
session expired; please log in
PASS tests/test_x.py 12 passed
pass 2 of 3 done
passed 14, failed 2
passenger list: 7 names
passing on to next handler
compass=north
bypass: false
hash join on orders (rows=1200)
hashing 12 files
certificate for example.org valid until 2025-01-01
signature of f(a, b) changed
signature mismatch for package foo-1.2
salt lake city
card component rendered
credit 12.50 EUR to account 4
scorecard=3/5
ssh connection to host 10.0.0.3 port 22
https://example.org/orders/42?utm_source=mail&utm_medium=link#comments
https://docs.python.org/3/library/secrets.html
see https://flask.palletsprojects.com/en/stable/config/#SECRET_KEY
mail to ada@example.org sent
postgresql://db.internal:5432/shop is reachable
redis://cache:6379/0 connected
git@github.com:acme/site.git cloned
File "/app/auth.py", line 12, in check_password
    raise ValueError("no password given")
    if not check_password_hash(user.password_hash, form.password.data):
    token = request.headers.get("X-Token")
    password = getpass.getpass()
    secret_key = os.environ["SECRET_KEY"]
    api_key: str | None = None
token=None, user=ada
password: required
{"password": ["This field is required."]}
{'password': null, 'remember': true}
secret santa draws 12 names
sk_buff overflow in driver
key-value store opened
pk=42, model=Order
stack depth 42
-p 8000 is in use
mysql -u root -h db shop
curl -u needs an argument
psql: error: connection to server failed
SELECT id, name FROM users WHERE token IS NULL
ALTER TABLE users ADD COLUMN password_hash VARCHAR(255)
OTP was sent to ada
otp=disabled
2fa enabled for user 42
one-time code sent by mail
the code is in app/views.py
your code is reviewed
use 443 to reach the site
x-request-id: 8f14e45fceea167a5a36dedd4bea2543
trace_id=4bf92f3577b34da6a3ce929d0e0e4736 span_id=00f067aa0ba902b7
version: '3.8'
time=12:30:45 level=info msg="started"
user=ada id=3 role=admin
user: ada, mail: ada@example.org
12:30:45.123 [worker-1] INFO done in 3s
scott/tiger is a well-known pair
/u:ada is no flag
page/3@2x.png
images/logo@2x.png loaded
login/logout links swapped
ada/readme.md uploaded
TAN method changed to app
tan(0.5)=0.546
the pass phrase hint is shown
select users where password_hash is null
[SQL: SELECT users.id, users.password_hash FROM users WHERE users.name = ?] [parameters: ('ada1815',)]
[SQL: INSERT INTO orders (title, body) VALUES (?, ?)] [parameters: ('one1', 'two2')]
INSERT INTO orders (title) VALUES ('one1')
GET /static/shared/app-3f2a9c1b77d04e5f.js 200
GET /invitations/3fa85f64-5717-4562-b3fc-2c963f66afa6 200
GET /confirm/how-to-reset-2-passwords-in-a-day
LOGIN from 10.0.0.12
LOGIN by ada1815
AUTH PLAIN LOGIN CRAM-MD5
mysql --port 3306
пароль: неверный
the code: see app/main.py
session was renewed
logged in with oauth2
POST /reset-password HTTP/1.1
ALTER TABLE users ADD COLUMN password VARCHAR(255) NOT NULL
token = request.headers.get('Authorization')
password = form.password.data
secret = os.environ['STRIPE_SECRET_KEY']
conn = psycopg.connect(host=host, user=user, password=password)
api_key = current_app.config.get('API_KEY')
auth.token.issued:1|c|#env:prod,region:eu
token_type=bearer expires_in=3600
""".splitlines()

#: A text that repeats one of these makes a regular expression begin over and over.
REPEATED = (
    *(
        "password=",
        "{password=",
        "password='",
        'password="',
        "pin=",
        "pin: 1 ",
        "password: a b ",
        "<password ",
        "--token ",
    ),
    *(
        "a:1@",
        "a:1@b.c:",
        "credentials a/",
        "getConnection(",
        "user/password: ",
        "redis-cli ",
        "curl -U a",
        "sqlplus ",
        "htpasswd -b ",
    ),
    *(
        "digest response=",
        "1234 is your ",
        "your code is 1",
        "password for a: ",
        "auth ",
        "AUTH PLAIN ",
        "a | sudo ",
        "key 1 ",
    ),
    *(
        "pass -> ",
        "password|",
        "code 1234 ",
        "deadbeefdeadbeefdeadbeef ",
        "requirepass ",
        "openssl -passin ",
        "by key ",
    ),
    *(
        "-p ",
        "'-u a",
        " -a",
        "LOGIN a ",
        "334 UGFzc3dvcmQ6 ",
        "PASSWORD('",
        "net use \\\\a ",
        "/reset/",
        "a.aaaaaa.",
        "a:aaaaaa:",
        "[SQL: a [parameters: (",
        "insert into a (token) values ('",
        "TAN 1234",
        "wrong code 1",
        "парол",
        "密码=",
        "İ password=1",
        'passwords": ["a1", ',
        "password=abcde1&",
    ),
    *("eyJ", ".eJ", "://a:", "&a=", "?code=", "&", "4111 ", "4111", "mysql ", "sk-", "sk-1", "ghp_", "Bearer ", "x"),
    *("-----BEGIN PRIVATE KEY-----", "-----BEGIN A B C ", "$1$", "$argon2", "scrypt", "{SSHA", "password value=", " "),
    *(
        "password\n",
        "x: int = ",
        '"secret", ',
        "%22token",
        "&quot;key&quot;:",
        '  File "a", line 1\n    x\n',
        "cookie: a",
    ),
)

# What applications log all day. Words like "token" and "code" are in it, and nothing that could be their value.
ORDINARY = [
    "Connection to db1.internal:5432 failed: timed out after 30 s",
    "Retrying in 5 seconds (attempt 3 of 10)",
    "Order 4711 paid by user 12",
    "User ada logged in from 10.0.0.7",
    "Invalid token for user 5",
    "Session expired, user 7 has to log in again",
    "Password reset mail sent to user 12",
    "Card declined by the bank: insufficient funds",
    "GET /api/orders/4711 returned status code 500",
    "Payment gateway answered HTTP 502 Bad Gateway",
    "Could not decode JSON: Expecting value: line 1 column 1 (char 0)",
    "Unhandled exception in worker 3",
    "Slow query took 1523 ms: SELECT orders.id, orders.total FROM orders WHERE orders.user_id = 5",
    "Cache miss for key user:12:profile",
    "Webhook delivery to https://example.com/hook failed with 404",
    "Disk usage at 91% on /var/lib/postgresql",
    "Email to customer could not be sent: [Errno 111] Connection refused",
    "Import finished: 1200 rows, 3 skipped, 2 errors",
    "Unique constraint violated on users.email",
    "Deprecated API version 1 called by client 7",
    "Certificate of example.com expires in 6 days",
    "Job 3fa85f64-5717-4562-b3fc-2c963f66afa6 finished in 3 ms",
    "Stock of X-100 is low, only three left in the main store",
    "Request body too large: 2097152 bytes, the limit is 1048576",
    "Rate limit exceeded for 192.0.2.7",
    "Template not found: orders/detail.html",
    "division by zero",
    "'NoneType' object has no attribute 'total'",
    "KeyError: 'customer_id'",
    "list index out of range",
    "Permission denied: /srv/uploads/4711.pdf",
    "Signal 15 received, shutting down",
    "Configuration reloaded: 14 settings",
    "Using default settings for environment production",
    "Failed to render invoice 2026-0042: missing address",
    "Upload of photo.jpg (3.2 MB) took 4.1 s",
    "The quick brown fox jumps over the lazy dog",
    "Timeout waiting for lock on account 17",
    "Search for 'red shoes' took 812 ms, 0 results",
    "Customer 12 cancelled subscription 99 of plan basic",
    'duplicate key value violates unique constraint "ix_orders_number"',
    "The token of user 5 was renewed",
    "No password given",
    "Session closed by peer",
    "Primary key 12 not found in table orders",
    "The key was renewed",
    "Decoded 12 messages, the code is fine",
    "Opinion polls were imported",
    "Order 12 contains 3 items",
]
