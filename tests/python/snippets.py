"""Small programs without torch, each about one construct; every global is compared with CPython."""

from __future__ import annotations

#: what `isinstance` says of every value and every kind
KINDS = """
import collections
import collections.abc
import functools
import numbers
import types
from typing import Callable, Iterable, List, Mapping, Sequence


class Plain:
    pass


class Bag:
    def __iter__(self):
        return iter([1])

    def __len__(self):
        return 1

    def __call__(self):
        return 2


def function():
    return 1


values = [1, 2.5, True, None, "text", b"raw", (1, 2), [1], {1}, {"a": 1}, range(3), Plain, function, Plain(), Bag(), Bag().__call__]
wanted = [
    int, float, bool, str, bytes, tuple, list, set, dict, range, object, type, numbers.Number, numbers.Real, numbers.Integral,
    collections.abc.Sequence, collections.abc.Iterable, collections.abc.Mapping, collections.abc.MutableMapping,
    collections.abc.Sized, collections.abc.Callable, collections.abc.Set,
    Callable, Iterable, List, Mapping, Sequence, types.FunctionType, types.MethodType, functools.partial, Plain, Bag, type(None),
]
told = [[isinstance(v, k) for k in wanted] for v in values]
del values, wanted
"""
SNIPPETS: dict[str, str] = {
    "kinds": KINDS,
    "arithmetic": "a = 3 * (2 + 5) // 4\nb = 7 % 3 ** 2\nc = -a if a > 2 else ~b\nd = 1 < 2 < 3\ne = not (a and b) or c",
    "strings": "s = 'a,b,c'.split(',')\nt = '-'.join(s).upper()\nu = t[1:3] + t[-1]\nv = 'x' in 'xyz'\nw = f'{s[0]}{t}'",
    "unpacking": "a, (b, *c) = 1, (2, 3, 4)\nd = e = [a, b]\n[f, g] = d\n*h, i = range(4)",
    "lists": "a = [3, 1, 2]\na.append(4)\na += [5]\nb = a[::2]\na.sort()\nc = a.pop()\na.insert(0, 9)\na.remove(1)\nd = a.index(2)\ne = sorted(b, reverse=True)",
    "dicts": "d = {'a': 1, **{'b': 2}}\nd['c'] = 3\nx = d.pop('a')\ny = d.get('z', 7)\nd.update(e=5)\nd.setdefault('f', []).append(1)\nk = list(d)\nv = [q for q in d.values()]\nw = 'b' in d",
    "sets": "s = {1, 2, 2}\ns.add(3)\nt = len(s)\nu = 3 in s",
    "comprehensions": "a = [i * j for i in range(3) for j in range(2) if i != j]\nb = {k: v for k, v in zip('ab', (1, 2))}\nc = {x % 2 for x in range(5)}\nd = sum(x for x in range(5))",
    "comprehension scope": "x = 10\na = [x for x in range(3)]\nb = x",
    "functions": "def f(a, b=2, *c, d=4, **e):\n    return a, b, c, d, e\nr = f(1)\ns = f(1, 2, 3, 4, d=5, z=6)\nt = f(*[1, 2], **{'d': 8})",
    "closures": "def make(n):\n    def add(x):\n        return x + n\n    return add\nf = make(3)\na = f(4)\nfs = [lambda i=i: i * 2 for i in range(3)]\nb = [g() for g in fs]",
    "nonlocal": "def counter():\n    n = 0\n    def up():\n        nonlocal n\n        n += 1\n        return n\n    return up\nc = counter()\na = c(); b = c()",
    "global": "n = 1\ndef f():\n    global n\n    n = n + 1\nf(); f()",
    "recursion": "def fact(n):\n    return 1 if n < 2 else n * fact(n - 1)\na = fact(6)",
    "classes": "class A:\n    k = 1\n    def __init__(self, x):\n        self.x = x\n    def get(self):\n        return self.x + self.k\nclass B(A):\n    def __init__(self, x):\n        super().__init__(x * 2)\n        self.y = x\n    def get(self):\n        return super().get() + self.y\na = A(3).get()\no = B(3)\nb = o.get()\nA.k = 10\nc = o.get()",
    "class methods": "class A:\n    made = 0\n    @classmethod\n    def make(cls):\n        cls.made += 1\n        return cls()\n    @staticmethod\n    def twice(x):\n        return 2 * x\n    @property\n    def value(self):\n        return self._v\n    @value.setter\n    def value(self, v):\n        self._v = v + 1\na = A.make()\nn = A.made\nt = A.twice(4)\na.value = 5\nv = a.value",
    "inheritance order": "class A:\n    def who(self): return 'A'\nclass B(A):\n    def who(self): return 'B' + super().who()\nclass C(A):\n    def who(self): return 'C' + super().who()\nclass D(B, C):\n    pass\na = D().who()",
    "dunder": "class V:\n    def __init__(self, x):\n        self.x = x\n    def __add__(self, o):\n        return V(self.x + o.x)\n    def __getitem__(self, i):\n        return self.x * i\n    def __call__(self, y):\n        return self.x - y\n    def __len__(self):\n        return 4\n    def __iter__(self):\n        return iter([1, self.x])\nv = V(2) + V(3)\na = v[3]\nb = v(1)\nc = len(v)\nd = list(v)",
    "getattr": "class A:\n    pass\na = A()\nsetattr(a, 'x', 3)\nb = getattr(a, 'x')\nc = getattr(a, 'y', 9)\nd = hasattr(a, 'x')",
    "dataclass": "from dataclasses import dataclass, field\n@dataclass\nclass P:\n    x: int\n    y: int = 2\n    z: list = field(default_factory=list)\np = P(1)\np.z.append(3)\na = (p.x, p.y, p.z)",
    "namedtuple": "from collections import namedtuple\nQ = namedtuple('Q', 'a b')\nq = Q(1, b=2)\nx = q.a + q.b\ny, z = q\nw = q[1]",
    "loops": "t = 0\nfor i in range(5):\n    if i == 1:\n        continue\n    if i == 4:\n        break\n    t += i\nelse:\n    t = -1\nn = 0\nwhile n < 5:\n    n += 2\nelse:\n    n += 100",
    "nested break": "r = []\nfor i in range(3):\n    for j in range(3):\n        if j == 2:\n            break\n        r.append((i, j))",
    "try": "def f(x):\n    try:\n        if x:\n            raise ValueError('no')\n        r = 'fine'\n    except ValueError as e:\n        r = 'caught'\n    else:\n        r += '!'\n    finally:\n        r = r + '.'\n    return r\na = f(0)\nb = f(1)",
    "try kinds": "def f(d, k):\n    try:\n        return d[k]\n    except KeyError:\n        return 'key'\n    except IndexError:\n        return 'index'\na = f({}, 1)\nb = f([], 1)\nc = f([5], 0)",
    "try import": "try:\n    import json_not_there_at_all_really\nexcept ImportError:\n    pass\nx = 1",
    "return in finally": "def f():\n    for i in range(3):\n        try:\n            if i == 1:\n                return i\n        finally:\n            last = i\n    return -1\na = f()",
    "with": "log = []\nclass C:\n    def __init__(self, n):\n        self.n = n\n    def __enter__(self):\n        log.append('in ' + self.n)\n        return self.n\n    def __exit__(self, *a):\n        log.append('out ' + self.n)\nwith C('a') as x, C('b') as y:\n    log.append(x + y)",
    "contextmanager": "from contextlib import contextmanager\nlog = []\n@contextmanager\ndef scope(n):\n    log.append(n)\n    try:\n        yield n * 2\n    finally:\n        log.append(-n)\nwith scope(3) as v:\n    log.append(v)",
    "generators": "def g(n):\n    for i in range(n):\n        yield i * i\n    yield from [7, 8]\na = list(g(3))\nb = sum(g(2))\nit = g(2)\nc = next(it)\nd = next(it)",
    "decorators": "import functools\ndef twice(f):\n    @functools.wraps(f)\n    def inner(*a, **k):\n        return f(*a, **k) * 2\n    return inner\ndef times(n):\n    def deco(f):\n        def inner(x):\n            return f(x) * n\n        return inner\n    return deco\n@twice\n@times(3)\ndef f(x):\n    return x + 1\na = f(1)",
    "partial": "from functools import partial, reduce\ndef f(a, b, c=0):\n    return a - b + c\ng = partial(f, 10, c=5)\na = g(3)\nb = reduce(lambda x, y: x * y, [1, 2, 3, 4])",
    "builtins": "a = list(map(lambda x: x + 1, [1, 2]))\nb = list(filter(None, [0, 1, 2]))\nc = max(3, 1), min([4, 2]), abs(-3)\nd = list(enumerate('ab', 1))\ne = any([0, 1]), all([1, 0])\nf = isinstance(3, (str, int))\ng = int('4') + float(2)\nh = list(reversed([1, 2]))\ni = dict(a=1)\nj = tuple([1, 2])\nk = list(zip([1, 2, 3], 'ab'))",
    "aliasing": "a = [1]\nb = a\nb.append(2)\nc = {'x': a}\nc['x'].append(3)\nd = a[:]\nd.append(4)\ndef f(l):\n    l.append(5)\nf(a)",
    "default list": "def f(x, acc=[]):\n    acc.append(x)\n    return len(acc)\na = f(1)\nb = f(2)",
    "delete": "d = {'a': 1, 'b': 2}\ndel d['a']\nl = [1, 2, 3]\ndel l[0]\nclass A: pass\no = A()\no.x = 1\ndel o.x\ne = hasattr(o, 'x')",
    "walrus": "if (n := 5) > 3:\n    m = n * 2\na = [y for x in range(4) if (y := x * 2) > 2]",
    "match": "def f(v):\n    match v:\n        case 0:\n            return 'zero'\n        case 'a' | 'b':\n            return 'letter'\n        case int():\n            return 'int'\n        case _:\n            return 'other'\nr = [f(0), f('b'), f(7), f(None)]",
    "star args": "def f(*a, **k):\n    return g(*a, **k)\ndef g(x, y=1, *, z=2):\n    return (x, y, z)\na = f(1)\nb = f(1, 2, z=3)",
    "bound methods": "class A:\n    def __init__(self):\n        self.seen = []\n    def see(self, x):\n        self.seen.append(x)\na = A()\nf = a.see\nf(1)\nf(2)\nb = a.seen",
    "methods as values": "l = []\nadd = l.append\nadd(1)\nd = {}\nput = d.__setitem__\nput('a', 2)",
    "early return": "def f(x):\n    if x > 2:\n        return 'big'\n    for i in range(x):\n        if i == 1:\n            return 'loop'\n    return 'end'\na = [f(3), f(2), f(1)]",
    "conditional import and main": "if __name__ == '__main__':\n    x = 1\nelse:\n    x = 2",
    "chained comparison": "a = 1 < 3 > 2\nb = [1, 2] == [1, 2]\nc = (1, 2) < (1, 3)\nd = None is None\ne = 3 is not None",
    "augmented": "a = 1\na += 2\na *= 3\nd = {'k': 1}\nd['k'] += 4\nclass O: pass\no = O()\no.v = 2\no.v **= 3\nv = o.v",
    "defaultdict": "from collections import defaultdict, OrderedDict\nd = defaultdict(list)\nd['a'].append(1)\nd['a'].append(2)\no = OrderedDict([('x', 1)])\nx = o['x']",
    "class attribute closure": "class A:\n    n = 2\n    m = n + 1\n    def f(self):\n        return self.m\na = A().f()",
    "lambda default": "f = lambda x, y=2: x * y\na = f(3)\nb = (lambda *a: len(a))(1, 2)",
    "slices": "l = list(range(6))\na = l[1:-1:2]\nb = l[-2:]\nl[1:3] = [9]\nc = 'hello'[1:4]\nt = (1, 2, 3)[1:]",
    "string methods": "a = ' x '.strip()\nb = 'a-b'.replace('-', '+')\nc = 'abc'.startswith('ab')\nd = 'layer4.2'.split('.')\ne = '%d' % 3\nf = '{}'.format(4)",
    "nested classes": "class A:\n    class B:\n        v = 3\n    def get(self):\n        return self.B.v\na = A().get()\nb = A.B.v",
    "iter protocol": "class R:\n    def __init__(self):\n        self.items = [1, 2]\n    def __iter__(self):\n        for i in self.items:\n            yield i * 10\na = [x for x in R()]",
    "abc": "from abc import ABC, abstractmethod\nclass A(ABC):\n    @abstractmethod\n    def f(self): ...\n    def g(self):\n        return self.f() + 1\nclass B(A):\n    def f(self):\n        return 4\na = B().g()",
    "registry": "REG = {}\ndef register(name):\n    def deco(cls):\n        REG[name] = cls\n        return cls\n    return deco\n@register('a')\nclass A:\n    v = 1\no = REG['a']()\nv = o.v\nn = list(REG)",
}
