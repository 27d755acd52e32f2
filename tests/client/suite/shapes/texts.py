"""Texts: functions, patterns."""

from shapes.base import COMPARE, Theme, total

texts = Theme("text", "Functions of texts.", ["word", "customer", "product"], 14)
patterns = Theme("pattern", "LIKE, SIMILAR TO and regular expressions.", ["word", "product"], 24)
THEMES = [texts, patterns]


def some(c):
    return c.choice([f"w.id {c.choice(['<', '>', '<>'])} {c.randrange(2, 28)}", f"w.n {c.choice(COMPARE)} {c.randrange(-2, 6)}", f"w.w {c.choice(['<', '>='])} '{c.choice(['a', 'b', 'M', 'Z', '1'])}'", "w.x IS NOT NULL"])


def column(c):
    return c.choice(["w.w", "w.w", "w.x"])


@texts.shape
def upper_lower(c):
    return f"SELECT w.id, {c.choice(['upper', 'lower'])}({column(c)}) FROM word w WHERE {some(c)}"


@texts.shape
def lengths(c):
    return f"SELECT w.id, [[{c.choice(['len', 'length', 'char_length'])}~~length]]({column(c)}), octet_length([[w.w~~w.w~~encode(w.w)]]) FROM word w WHERE {some(c)}"


@texts.shape
def cut(c):
    return f"SELECT w.id, substring({column(c)}, {c.randrange(1, 6)}, {c.randrange(0, 6)}), [[{c.choice(['substr', 'substring'])}~~substr]](w.w, {c.randrange(1, 4)}) FROM word w WHERE {some(c)} AND w.id <> 23"


@texts.shape
def ends(c):
    return f"SELECT w.id, left({column(c)}, {c.randrange(0, 6)}), right({column(c)}, {c.randrange(0, 6)}) FROM word w WHERE {some(c)} AND w.id <> 23 AND w.id <> 22"


@texts.shape
def positions(c):
    needle = c.choice(["a", "an", "b", "", "o", "lo", ",", "ü", "zz"])
    return f"SELECT w.id, [[{c.choice(['strpos(w.w, X)', 'position(X IN w.w)', 'charindex(X, w.w)'])}~~strpos(w.w, X)]] FROM word w WHERE {some(c)}".replace("X", f"'{needle}'")


@texts.shape
def replaced(c):
    return f"SELECT w.id, replace({column(c)}, '{c.choice(['a', 'an', 'b', 'abc', ',', 'l', '-'])}', '{c.choice(['', 'X', 'aa', '..'])}') FROM word w WHERE {some(c)} AND w.w IS NOT NULL"


@texts.shape
def translated(c):
    return f"SELECT w.id, translate({column(c)}, '{c.choice(['abc', 'aeiou', '-,.', 'an', 'lo'])}', '{c.choice(['xyz', 'X', '', 'AEIOU', '12'])}') FROM word w WHERE {some(c)} AND w.w IS NOT NULL"


@texts.shape
def padded(c):
    mark = c.choice(["*", "-", "ab", "0", "xyz"])
    return f"SELECT w.id, {c.choice(['lpad', 'rpad'])}({column(c)}, {c.randrange(0, 12)}, '{mark}') FROM word w WHERE {some(c)}"


@texts.shape
def trimmed(c):
    mark = c.choice(["a", "ab", "-", "ahe", "05", "bc"])
    return f"SELECT w.id, {c.choice(['ltrim', 'rtrim', 'btrim'])}({column(c)}, '{mark}') FROM word w WHERE {some(c)} AND w.id <> 23".replace("btrim", "[[btrim~~btrim~~trim]]")


@texts.shape
def trim_syntax(c):
    return f"SELECT w.id, trim({c.choice(['BOTH', 'LEADING', 'TRAILING'])} '{c.choice(['a', 'b', '0', '%', 'x'])}' FROM w.w) FROM word w WHERE {some(c)} AND w.id <> 23"


@texts.shape
def turned(c):
    return f"SELECT w.id, reverse({column(c)}), repeat(w.x, {c.randrange(0, 3)}) FROM word w WHERE {some(c)} AND w.id <> 23"


@texts.shape
def joined(c):
    return f"SELECT w.id, w.w || '{c.choice([':', '', ' and '])}' || w.x, w.x || w.n FROM word w WHERE {some(c)}"


@texts.shape
def split(c):
    return f"SELECT w.id, split_part({column(c)}, '{c.choice([',', '-', '.', ' ', '=', 'b'])}', {c.randrange(1, 4)}) FROM word w WHERE {some(c)} AND w.id <> 23"


@texts.shape
def codes(c):
    return f"SELECT w.id, ascii(w.w), chr({c.randrange(65, 91)}) || chr({c.randrange(97, 123)}) FROM word w WHERE {some(c)} AND w.w <> ''"


@texts.shape
def hashed(c):
    return f"SELECT w.id, md5({c.choice(['w.w', 'w.w || w.x', 'upper(w.w)'])}) FROM word w WHERE {some(c)}"


@texts.shape
def title_case(c):
    return f"SELECT c.name, upper(left(c.name, {c.randrange(1, 3)})) || lower(substring(c.name, {c.randrange(2, 4)})) || '-' || coalesce(c.city, '?') FROM customer c WHERE length(c.name) {c.choice(COMPARE)} {c.randrange(3, 5)}"


@texts.shape
def compared(c):
    return f"SELECT a.w, b.w FROM word a JOIN word b ON a.w {c.choice(['<', '>', '='])} b.x WHERE a.id < {c.randrange(3, 12)} AND b.id < {c.randrange(4, 20)} AND a.id <> 23 ORDER BY 1, 2 LIMIT 18"


@texts.shape
def ordered(c):
    return f"SELECT {c.choice(['lower(w.w)', 'w.w', 'upper(w.w)', 'w.x'])} AS key, w.id FROM word w WHERE {some(c)} AND w.id <> 23 ORDER BY 1{c.choice(['', ' DESC', ' NULLS FIRST'])}, 2 LIMIT {c.randrange(3, 20)}"


@texts.shape
def grouped(c):
    return f"SELECT length(w.w) AS size, count(*), min(w.w), max(w.x) FROM word w WHERE {some(c)} AND w.id <> 23 GROUP BY 1 {total(c, 4)}"


LIKES = ["a%", "%a", "%an%", "_a%", "__", "%", "", "b_n%", "%\\\\_%", "%,%,%", "Hello%", "hello%", "%.%", "_", "%ü%", "abc", "%5%"]


@patterns.shape
def like(c):
    return f"SELECT w.id, w.w FROM word w WHERE {column(c)} {c.choice(['', 'NOT '])}LIKE '{c.choice([p for p in LIKES if chr(92) not in p])}' AND w.id <> 23"


@patterns.shape
def ilike(c):
    return f"SELECT w.id FROM word w WHERE w.w {c.choice(['', 'NOT '])}ILIKE '{c.choice(['A%', '%AN%', 'hello%', 'MIXED%', '_PPLE', '%Z%'])}' {c.choice(['AND', 'OR'])} {some(c)}"


@patterns.shape
def escaped(c):
    return f"SELECT w.id, w.w FROM word w WHERE w.w LIKE '{c.choice(['%!_%', '50!%', '%!%', '_!__', '!%%'])}' ESCAPE '!' {c.choice(['AND', 'OR'])} {some(c)} AND w.id <> 23"


@patterns.shape
def as_value(c):
    return f"SELECT w.id, w.w LIKE '{c.choice(['a%', '%a', '%n%', '_b%'])}', w.x {c.choice(['', 'NOT '])}LIKE '{c.choice(['b%', '%c', '%'])}' FROM word w WHERE {some(c)}"


REGULAR = ["^a", "an", "b+", "^[A-Z]", "[0-9]+", "a$", "^.{3}$", "(ab)+", "^[a-z]+$", "o.*o", "[,.=]", "^$", "ban(d|a)", "[^a-z]"]


@patterns.shape
def regular(c):
    pattern = c.choice(REGULAR)
    no, there = c.choice([("", ""), ("", ""), ("!", "NOT ")])
    return f"SELECT w.id FROM word w WHERE [[w.w {no}~ '{pattern}'~~w.w {no}~ '{pattern}'~~{there}regexp_matches(w.w, '{pattern}')]] AND {some(c)}"


@patterns.shape
def similar(c):
    pattern, regular = c.choice([("(a|b)%", "(a|b).*"), ("%(an|pp)%", ".*(an|pp).*"), ("[a-c]+", "[a-c]+"), ("_{3}", ".{3}"), ("%[0-9]%", ".*[0-9].*"), ("(abc)*", "(abc)*"), ("a_?%", "a.?.*")])
    way = c.choice(["", "NOT "])
    return f"SELECT w.id, w.w FROM word w WHERE [[w.w {way}SIMILAR TO '{pattern}'~~w.w {way}SIMILAR TO '{pattern}'~~{way}regexp_full_match(w.w, '{regular}')]] AND {some(c)} AND w.id <> 23"


@patterns.shape
def regexp_replace(c):
    pattern, with_text = c.choice(["a", "[aeiou]", "[0-9]+", "an|pp", "^.", "[^a-z]", "b+"]), c.choice(["", "X", "<>", "-"])
    return f"SELECT w.id, [[regexp_replace(w.w, '{pattern}', '{with_text}')~~regexp_replace(w.w, '{pattern}', '{with_text}', 'g')]] FROM word w WHERE {some(c)} AND w.id <> 23 AND w.id <> 22"


@patterns.shape
def regexp_count(c):
    pattern = c.choice(["a", "an", "[aeiou]", "[0-9]", "b.", "[A-Z]"])
    return f"SELECT w.id, [[regexp_count(w.w, '{pattern}')~~regexp_count(w.w, '{pattern}')~~len(regexp_extract_all(w.w, '{pattern}'))]] FROM word w WHERE {some(c)}"


@patterns.shape
def regexp_substr(c):
    pattern = c.choice(["a.", "[0-9]+", "an", "[A-Z][a-z]+", "b[a-z]*", "[a-z]+$"])
    return f"SELECT w.id, [[regexp_substr(w.w, '{pattern}')~~coalesce(regexp_substr(w.w, '{pattern}'), CASE WHEN w.w IS NOT NULL THEN '' END)~~regexp_extract(w.w, '{pattern}')]] FROM word w WHERE {some(c)}"
