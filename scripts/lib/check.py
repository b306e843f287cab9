"""What all checks share: their result, and the lists of exceptions."""

import fnmatch

SHOWN = 8


class Result:
    """One check. It failed when there are places."""

    def __init__(self, title, places=(), note=""):
        self.title, self.places, self.note = title, list(places), note

    def __str__(self):
        if not self.places:
            return f"ok    {self.title}" + (f" ({self.note})" if self.note else "")
        more = [f"and {len(self.places) - SHOWN} more"] if len(self.places) > SHOWN else []
        return f"FAIL  {self.title}: " + "; ".join(self.places[:SHOWN] + more)


class Allowed:
    """Patterns with a reason each: `pattern  # reason`. One that is of no use any more is a failure, too."""

    def __init__(self, path):
        self.path, self.patterns, self.used, self.faults = path, [], set(), []
        lines = path.read_text().splitlines() if path.exists() else []
        for number, line in enumerate(lines, 1):
            pattern, _, reason = (part.strip() for part in line.partition("#"))
            if pattern and not reason:
                self.faults.append(f"{path.name}:{number} gives no reason")
            if pattern:
                self.patterns.append(pattern)

    @staticmethod
    def folder(folder):
        return lambda name: Allowed(folder / name)

    def permits(self, name):
        for pattern in self.patterns:
            if fnmatch.fnmatchcase(name, pattern):
                self.used.add(pattern)
                return True
        return False

    def problems(self):
        unused = [pattern for pattern in self.patterns if pattern not in self.used]
        return self.faults + [f"'{pattern}' in {self.path.name} is needed no more: take it out" for pattern in unused]
