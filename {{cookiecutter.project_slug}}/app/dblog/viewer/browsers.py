"""What a browser is called, from the ``User-Agent`` that it sends.

The few browsers that nearly all people use say what they are in one form. A text that departs from it in any way, as
that of a bot in a browser's clothes does, stays as it is: a page must not take it for a person.
"""

import re

from .blueprint import bp

_FORM = re.compile(r"Mozilla/5\.0 \((?P<system>[^()]*)\)(?P<products>(?: \(KHTML, like Gecko\)| \w+(?:/[\w.]+)?)+)")
_PRODUCT = re.compile(r" (\w+)(?:/(\d+))?")
#: Names by product. The first of them that a browser sends is its own: each says that it is Chrome or Safari as well.
_BROWSERS = {
    **{"Edg": "Edge", "EdgA": "Edge", "EdgiOS": "Edge", "OPR": "Opera", "SamsungBrowser": "Samsung Internet"},
    **{"Firefox": "Firefox", "FxiOS": "Firefox", "Chrome": "Chrome", "CriOS": "Chrome", "Version": "Safari"},
}
#: Products that every browser of a family sends beside its own.
_COMMON = {"AppleWebKit", "Gecko", "Mobile", "Safari"}
#: Names by what stands in the brackets. An iPhone says that it is like a Mac, and Android that it is Linux.
_SYSTEMS = {
    **{"Windows NT": "Windows", "Android": "Android", "iPhone": "iOS", "iPad": "iOS"},
    **{"Macintosh": "macOS", "CrOS": "ChromeOS", "Linux": "Linux"},
}


@bp.app_template_filter("log_browser")
def name_browser(user_agent: str) -> str:
    """Return name, version and system, such as "Firefox 131 · Windows", or the text itself where these are not sure."""
    form = _FORM.fullmatch(user_agent)
    if form is None:
        return user_agent
    versions = dict(_PRODUCT.findall(form["products"].replace(" (KHTML, like Gecko)", "")))
    product = next((each for each in _BROWSERS if versions.get(each)), None)
    system = next((name for sign, name in _SYSTEMS.items() if sign in form["system"]), None)
    # An application that shows a page in itself adds "wv".
    if product is None or system is None or not versions.keys() <= {*_BROWSERS, *_COMMON} or "; wv" in form["system"]:
        return user_agent
    return f"{_BROWSERS[product]} {versions[product]} · {system}"
