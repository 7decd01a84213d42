"""Some of the checks of `stagepost validate`, with Python's csv module.

For comparison only: columns, width of the rows, syntax and repetition of the
addresses, length of passwords, True or False. Prints how many faults there are.
"""

import csv
import re
import sys

ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
                     r"@([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}")
KNOWN = ["EmailAddress", "Password", "ForceChangePassword"]


def faults(path):
    found = 0
    with open(path, newline="", encoding="utf-8-sig") as file:
        rows = csv.reader(file)
        header = next(rows)
        found += sum(name not in KNOWN for name in header)
        at = {name: header.index(name) for name in KNOWN if name in header}
        seen = set()
        for row in rows:
            if len(row) != len(header):
                found += 1
                continue
            address = row[at["EmailAddress"]]
            if address != address.strip() or len(address) > 254 or not ADDRESS.fullmatch(address):
                found += 1
            key = address.lower()
            found += key in seen
            seen.add(key)
            if "Password" in at and 0 < len(row[at["Password"]]) < 8:
                found += 1
            if "ForceChangePassword" in at and row[at["ForceChangePassword"]].lower() not in ("", "true", "false"):
                found += 1
    return found


if __name__ == "__main__":
    print(faults(sys.argv[1]))
