"""The name of a browser, read from the ``User-Agent`` that it sends.

The few browsers that nearly all people use write this text in one form. A text of any other form stays as it is: a bot
that pretends to be a browser must not look like a person on the page.
"""

import re

from .blueprint import bp

_FORM = re.compile(r"Mozilla/5\.0 \((?P<system>[^()]*)\)(?P<products>(?: \(KHTML, like Gecko\)| \w+(?:/[\w.]+)?)+)")
_PRODUCT = re.compile(r" (\w+)(?:/(\d+))?")
#: Names by product. The first product of this list that a browser sends is its own, since most browsers also send
#: Chrome's or Safari's.
_BROWSERS = {
    **{"Edg": "Edge", "EdgA": "Edge", "EdgiOS": "Edge", "OPR": "Opera", "SamsungBrowser": "Samsung Internet"},
    **{"Firefox": "Firefox", "FxiOS": "Firefox", "Chrome": "Chrome", "CriOS": "Chrome", "Version": "Safari"},
}
#: Products that browsers send beside their own.
_COMMON = {"AppleWebKit", "Gecko", "Mobile", "Safari"}
#: Systems by a text within the brackets. The order matters: an iPhone also names macOS, and Android also names Linux.
_SYSTEMS = {
    **{"Windows NT": "Windows", "Android": "Android", "iPhone": "iOS", "iPad": "iOS"},
    **{"Macintosh": "macOS", "CrOS": "ChromeOS", "Linux": "Linux"},
}


@bp.app_template_filter("log_browser")
def name_browser(user_agent: str) -> str:
    """Return name, version and system, such as "Firefox 131 · Windows", or the text itself if these are not certain."""
    form = _FORM.fullmatch(user_agent)
    if form is None:
        return user_agent
    versions = dict(_PRODUCT.findall(form["products"].replace(" (KHTML, like Gecko)", "")))
    product = next((each for each in _BROWSERS if versions.get(each)), None)
    system = next((name for sign, name in _SYSTEMS.items() if sign in form["system"]), None)
    # An Android application that shows the page inside itself adds "wv".
    if product is None or system is None or not versions.keys() <= {*_BROWSERS, *_COMMON} or "; wv" in form["system"]:
        return user_agent
    return f"{_BROWSERS[product]} {versions[product]} · {system}"
