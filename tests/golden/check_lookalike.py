"""Whether imitations of brands are found and ordinary names are not: at least 95 of 100 imitations of
every class, at most one false hit among 2000 ordinary names, at most one among 20 of those that are
near a brand on purpose.

    check_lookalike.py [FOLDER OF tool_find_lookalikes]      (PATH is searched otherwise)

Imitations are made by rules of this file, confusable letters from Python's Unicode tables. Ordinary
names are made of the words of Python's own documentation.
"""

import itertools
import random
import re
import shutil
import subprocess
import sys
import unicodedata

from pydoc_data import topics

BRANDS = {"paypal": "paypal.com,paypal.me", "amazon": "amazon.com,amazon.de,amazon.co.uk",
          "google": "google.com", "microsoft": "microsoft.com", "facebook": "facebook.com",
          "apple": "apple.com", "netflix": "netflix.com", "instagram": "instagram.com",
          "linkedin": "linkedin.com", "dropbox": "dropbox.com", "chase": "chase.com",
          "wellsfargo": "wellsfargo.com", "bankofamerica": "bankofamerica.com", "ebay": "ebay.com",
          "dhl": "dhl.com", "ing": "ing.com,ing.nl", "orange": "orange.fr", "coinbase": "coinbase.com",
          "spotify": "spotify.com", "sparkasse": "sparkasse.de"}
WORDS_TOO = {"apple", "chase", "orange"}  # brands that are ordinary words
SHORT = {"ebay", "dhl", "ing"}
TLDS = ["com", "net", "org", "info", "xyz", "top", "shop", "online", "de", "io", "co.uk", "com.br"]


# --- Imitations: (brand, name) ---

def homoglyphs():
    """Each letter's look-alikes: by name in other scripts, and with marks."""
    shapes = {"a": "CYRILLIC SMALL LETTER A", "c": "CYRILLIC SMALL LETTER ES",
              "e": "CYRILLIC SMALL LETTER IE", "o": "GREEK SMALL LETTER OMICRON",
              "p": "CYRILLIC SMALL LETTER ER", "x": "CYRILLIC SMALL LETTER HA",
              "y": "CYRILLIC SMALL LETTER U", "i": "CYRILLIC SMALL LETTER BYELORUSSIAN-UKRAINIAN I",
              "s": "CYRILLIC SMALL LETTER DZE", "g": "LATIN SMALL LETTER SCRIPT G",
              "h": "CYRILLIC SMALL LETTER SHHA", "n": "ARMENIAN SMALL LETTER VO",
              "k": "CYRILLIC SMALL LETTER KA", "v": "GREEK SMALL LETTER NU",
              "u": "ARMENIAN SMALL LETTER SEH", "l": "CYRILLIC SMALL LETTER PALOCHKA",
              "d": "CYRILLIC SMALL LETTER KOMI DE", "m": "CYRILLIC SMALL LETTER EM",
              "t": "CYRILLIC SMALL LETTER TE", "b": "CYRILLIC SMALL LETTER SOFT SIGN"}
    like = {letter: [unicodedata.lookup(name)] for letter, name in shapes.items()}
    for letter, mark in itertools.product("acdeghijklnoprstuwyz", range(0x300, 0x332)):
        composed = unicodedata.normalize("NFC", letter + chr(mark))
        if len(composed) == 1:
            like.setdefault(letter, []).append(composed)
    return like


def as_label(text):
    return text if text.isascii() else "xn--" + text.encode("punycode").decode()


def confusables(source):
    like = homoglyphs()
    digits = {"o": "0", "l": "1", "i": "1", "e": "3", "s": "5", "a": "4"}
    pairs = {"m": "rn", "w": "vv", "d": "cl"}
    for brand in BRANDS:
        for letter in sorted(set(brand)):
            for other in like.get(letter, [])[:12]:
                yield brand, f"{as_label(brand.replace(letter, other, 1))}.{source.choice(TLDS)}"
            if letter in digits and brand not in SHORT:
                yield brand, f"{brand.replace(letter, digits[letter])}.{source.choice(TLDS)}"
            if letter in pairs and brand not in SHORT:
                yield brand, f"{brand.replace(letter, pairs[letter])}.{source.choice(TLDS)}"
        if set(brand) & set("il") and brand not in SHORT:
            yield brand, f"{brand.translate(str.maketrans('il', 'li'))}.{source.choice(TLDS)}"
        whole = "".join(like.get(letter, [letter])[0] for letter in brand)
        yield brand, f"{as_label(whole)}.{source.choice(TLDS)}"


KEYS = ["qwertyuiop", "asdfghjkl", "zxcvbnm"]


def beside(letter):
    for row in KEYS:
        at = row.find(letter)
        if at >= 0:
            return [row[i] for i in (at - 1, at + 1) if 0 <= i < len(row)]
    return []


def slips(brand):
    for i in range(1, len(brand)):
        yield brand[:i] + brand[i + 1:]
        yield brand[:i] + brand[i] + brand[i:]
        for key in beside(brand[i]):
            yield brand[:i] + key + brand[i + 1:]
        if i + 1 < len(brand) and brand[i] != brand[i + 1]:
            yield brand[:i] + brand[i + 1] + brand[i] + brand[i + 2:]


def typos(source):
    for brand in BRANDS:
        if brand in SHORT or brand in WORDS_TOO:
            continue
        for word in sorted(set(slips(brand)) - {brand}):
            yield brand, f"{word}.{source.choice(TLDS)}"
        if len(brand) >= 9:
            for _ in range(10):
                twice = source.choice(list(slips(source.choice(list(slips(brand))))))
                if twice != brand:
                    yield brand, f"{twice}.{source.choice(TLDS)}"


LURES = ["login", "secure", "support", "account", "verify", "billing", "signin", "update", "service",
         "security", "password", "wallet", "refund", "help", "customer-service", "account-verify",
         "secure-login", "id-verification", "payment", "alert"]


def added_words(source):
    for brand, lure in itertools.product(BRANDS, LURES):
        forms = [f"{brand}-{lure}", f"{lure}-{brand}", f"www-{brand}-{lure}"]
        if brand not in SHORT:
            forms += [brand + lure.replace("-", ""), lure.replace("-", "") + brand]
            forms.append(f"{brand}-{lure}-{source.randrange(1000)}")
        for form in source.sample(forms, 2):
            yield brand, f"{form}.{source.choice(TLDS)}"


def other_tlds(_):
    tlds = ["xyz", "top", "shop", "info", "biz", "cc", "ru", "cn", "online", "site", "club", "co", "me",
            "app", "live", "com.br", "co.id", "github.io", "pages.dev", "ltd"]
    for brand, tld in itertools.product(BRANDS, tlds):
        name = f"{brand}.{tld}"
        if name not in BRANDS[brand].split(","):
            yield brand, name


def subdomains(source):
    hosts = ["evil.net", "secure-check.xyz", "a1b2c3.top", "verify.example.co.uk", "server7.info"]
    for brand, host in itertools.product(BRANDS, hosts):
        domain = BRANDS[brand].split(",")[0]
        yield brand, f"{domain}.{host}"
        yield brand, f"www.{domain}.{source.choice(LURES)}.{host}"
        yield brand, f"login-{domain}.{host}"
        if brand not in SHORT and brand not in WORDS_TOO:
            yield brand, f"{brand}.{host}"
            yield brand, f"{brand}-{source.choice(LURES)}.{host}"


# --- Ordinary names ---

NEAR = """pineapple.com applebees.com applegate.net apply.org apples.com applesauce.net appleton.edu
snapple.com grapple.io ample.com maple.org dapple.com crabapple.net applied.com appliance.com
apple-pie.org applewood.co.uk orangery.co.uk orangeburg.org orange-juice.net bloodorange.com
arrange.com range.com orangutan.org oranges.de strange.net chased.com chaser.net purchase.com
purchaseorder.org chess.com phase.net chasewater.org case.com cheese.org erase.io chaseandsons.co.uk
banking.com shipping.net kings.org wedding.de boeing.com ringing.com ingrid.de ingot.net inga.com
meeting.org lingo.io engineering.edu ing-enieur.de holdings.co.uk building.net ingredients.com
stirling.org things.io bay.com bayside.net ebony.com sebay.net thebayarea.org beanbag.com
goggles.com googol.org goodlife.com ogle.net giggle.com boggle.io gogol.ru toggle.dev amazonia.org
amazing.com amazement.net mason.com maze.org amazonas.gov.br facebow.com factbook.org casebook.net
face-book-art.org notebook.com cookbook.net guidebook.org faceboard.net flex.com netflow.com netmix.de
netlify.com dropbear.net dropbolt.com mailbox.org rope-box.com dropshipping.com
linkedlist.io inked.com linked.net linking.org blinked.com histogram.net monogram.com instagrid.org
pictogram.org anagram.com microscope.net microsoftened.example.org microloft.com
microsite.com softmicro.org spot.com spotlight.net spotty.org specify.io notify.dev
coin.com coinbox.net database.com coinage.org firebase.io sparks.com sparkle.net sparkassist.com
sparkling.de wells.com farewell.org wellspring.net fargo.com wellsfield.org farewells.net
bank.com bankofengland.co.uk bankofcanada.ca bankofireland.com america.com dhal.com dahl.org adhl.net
delhi.in dhlawan.com paypoint.com pepal.com palpay.net payroll.com paypass.net paypalm.example.net
papal.org pal.com paper.com palpatine.org nepal.com paystub.com""".split()


def ordinary(source, count):
    """Names of one to three words of Python's documentation, as people register them."""
    text = " ".join(topics.topics.values()).lower()
    words = sorted(set(re.findall(r"\b[a-z]{3,12}\b", text)))
    hosts = ["", "", "", "", "www.", "mail.", "api.", "*.", "shop.", "cpanel."]
    patterns = ["{0}", "{0}{1}", "{0}{1}", "{0}-{1}", "{0}{1}{2}", "the{0}", "{0}online", "my{0}",
                "{0}-group", "{0}24", "{0}login", "{0}-support", "secure{0}", "{0}shop"]
    names = set()
    while len(names) < count:
        label = source.choice(patterns).format(*source.choices(words, k=3))
        names.add(f"{source.choice(hosts)}{label}.{source.choice(TLDS)}")
    return sorted(names), len(words)


def ask(tool, names, score=60):
    """For each name: brand -> kinds."""
    specs = [f"{brand}={domains}" for brand, domains in BRANDS.items()]
    run = subprocess.run([tool, str(score), *specs], input="\n".join(names) + "\n",
                         capture_output=True, text=True, check=True)
    hits = [{} for _ in names]
    for line in run.stdout.splitlines():
        owner, _, brand, score, kinds = line.split("\t")
        assert 60 <= int(score) <= 100, line
        hits[int(owner)][brand] = kinds.split("+")
    return hits


def main():
    tool = shutil.which("tool_find_lookalikes", path=sys.argv[1] if len(sys.argv) > 1 else None)
    assert tool, "tool_find_lookalikes is not there"
    source, bad = random.Random(1515), False
    classes = {"confusable": confusables, "typo": typos, "added words": added_words,
               "other tld": other_tlds, "subdomain": subdomains}
    for kind, maker in classes.items():
        pairs = sorted(set(maker(source)))
        hits = ask(tool, [name for _, name in pairs])
        missed = [name for (brand, name), hit in zip(pairs, hits) if brand not in hit]
        named = sum(kind in hit.get(brand, []) for (brand, _), hit in zip(pairs, hits))
        print(f"{kind}: {len(pairs)} names, {len(pairs) - len(missed)} found, {named} as such; "
              f"missed {missed[:8]}")
        assert len(pairs) >= 100
        bad |= len(missed) > len(pairs) * 0.05 or named < len(pairs) * 0.85
    names, words = ordinary(source, 30000)
    false_hits = [(name, hit) for name, hit in zip(names, ask(tool, names)) if hit]
    print(f"ordinary: {len(names)} names of {words} words, {len(false_hits)} hits: {false_hits[:20]}")
    bad |= len(false_hits) > len(names) / 2000 or words < 2000
    near_hits = [(name, hit) for name, hit in zip(NEAR, ask(tool, NEAR)) if hit]
    print(f"near: {len(NEAR)} names, {len(near_hits)} hits: {near_hits}")
    bad |= len(near_hits) > len(NEAR) / 20
    own = [prefix + domain for domains in BRANDS.values() for domain in domains.split(",")
           for prefix in ("", "www.", "secure-login.", "*.")]
    own_hits = [(name, hit) for name, hit in zip(own, ask(tool, own))
                if any(name.endswith(tuple(BRANDS[brand].split(","))) for brand in hit)]
    print(f"own: {len(own)} names, {len(own_hits)} hits: {own_hits}")
    sys.exit(1 if bad or own_hits else 0)


main()
