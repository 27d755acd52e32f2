//! From the text of a pattern to its program.

use super::{Class, PROGRAM_MAX, Program, Set, Step};
use crate::error::{Error, Result};
use crate::sqlstate::SqlState;

/// Groups within groups a pattern may have.
const DEPTH_MAX: usize = 100;

/// A part of a pattern.
#[derive(Clone, Debug)]
enum Node {
    Empty,
    One(Step),
    Sequence(Vec<Node>),
    Either(Vec<Node>),
    Group(usize, Box<Node>),
    Repeat {
        node: Box<Node>,
        least: usize,
        most: Option<usize>,
        greedy: bool,
        possessive: bool,
    },
    Look {
        node: Box<Node>,
        negative: bool,
        behind: bool,
    },
    Atomic(Box<Node>),
}

pub(super) fn compile(pattern: &str, folded: bool) -> Result<Program> {
    let mut parser = Parser {
        pattern,
        rest: pattern,
        groups: 1,
        depth: 0,
        lines: false,
        folded,
    };
    let node = parser.either()?;
    if !parser.rest.is_empty() {
        return Err(parser.wrong("a parenthesis is closed that was not opened"));
    }
    let mut program = Program {
        steps: Vec::new(),
        slots: parser.groups * 2,
        groups: parser.groups,
        folded: parser.folded,
    };
    emit(&mut program, &Node::Group(0, Box::new(node)))?;
    program.steps.push(Step::Match);
    Ok(program)
}

struct Parser<'a> {
    pattern: &'a str,
    rest: &'a str,
    groups: usize,
    depth: usize,
    /// Whether a point matches line ends.
    lines: bool,
    folded: bool,
}

impl Parser<'_> {
    fn wrong(&self, why: &str) -> Error {
        Error::new(
            SqlState::INVALID_PARAMETER_VALUE,
            format!("invalid regular expression \"{}\": {why}", self.pattern),
        )
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let mut chars = self.rest.chars();
        let ch = chars.next();
        self.rest = chars.as_str();
        ch
    }

    fn eat(&mut self, text: &str) -> bool {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn either(&mut self) -> Result<Node> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.wrong("it is nested too deeply"));
        }
        let mut branches = vec![self.sequence()?];
        while self.eat("|") {
            branches.push(self.sequence()?);
        }
        self.depth -= 1;
        Ok(match branches.len() {
            1 => branches.pop().unwrap_or(Node::Empty),
            _ => Node::Either(branches),
        })
    }

    fn sequence(&mut self) -> Result<Node> {
        let mut nodes = Vec::new();
        while let Some(ch) = self.peek() {
            if matches!(ch, '|' | ')') {
                break;
            }
            let atom = self.atom()?;
            nodes.push(self.repeated(atom)?);
        }
        Ok(Node::Sequence(nodes))
    }

    fn repeated(&mut self, mut node: Node) -> Result<Node> {
        loop {
            let before = self.rest;
            let (least, most) = match self.peek() {
                Some('*') => (0, None),
                Some('+') => (1, None),
                Some('?') => (0, Some(1)),
                Some('{') => match self.counts() {
                    Some(counts) => counts,
                    None => {
                        self.rest = before;
                        return Ok(node);
                    }
                },
                _ => return Ok(node),
            };
            if !before.starts_with('{') {
                self.next();
            }
            if most.is_some_and(|most| most < least) {
                return Err(self.wrong("the counts of a repetition are in the wrong order"));
            }
            let possessive = self.eat("+");
            let greedy = possessive || !self.eat("?");
            node = Node::Repeat {
                node: Box::new(node),
                least,
                most,
                greedy,
                possessive,
            };
        }
    }

    /// Reads `{2}`, `{2,}` or `{2,5}`; `None` if the brace is a letter.
    fn counts(&mut self) -> Option<(usize, Option<usize>)> {
        let inside = self.rest.strip_prefix('{')?;
        let (inside, rest) = inside.split_once('}')?;
        let counts = match inside.split_once(',') {
            None => {
                let count = inside.parse().ok()?;
                (count, Some(count))
            }
            Some((least, "")) => (least.parse().ok()?, None),
            Some((least, most)) => (least.parse().ok()?, Some(most.parse().ok()?)),
        };
        self.rest = rest;
        Some(counts)
    }

    fn atom(&mut self) -> Result<Node> {
        Ok(match self.next() {
            None => Node::Empty,
            Some('.') => Node::One(Step::Any(self.lines)),
            Some('^') => Node::One(Step::Start),
            Some('$') => Node::One(Step::LastEnd),
            Some('[') => Node::One(Step::Set(self.set()?)),
            Some('(') => self.group()?,
            Some('\\') => self.escape()?,
            Some('*' | '+' | '?') => return Err(self.wrong("a repetition has nothing to repeat")),
            Some(ch) => Node::One(Step::Letter(ch)),
        })
    }

    fn group(&mut self) -> Result<Node> {
        let look = [
            ("?=", false, false),
            ("?!", true, false),
            ("?<=", false, true),
            ("?<!", true, true),
        ];
        if let Some((_, negative, behind)) = look.into_iter().find(|(text, ..)| self.eat(text)) {
            let node = Box::new(self.closed()?);
            return Ok(Node::Look {
                node,
                negative,
                behind,
            });
        }
        if self.eat("?:") {
            return self.closed();
        }
        if self.eat("?>") {
            return Ok(Node::Atomic(Box::new(self.closed()?)));
        }
        if self.eat("?i)") {
            self.folded = true;
            return Ok(Node::Empty);
        }
        if self.eat("?s)") {
            self.lines = true;
            return Ok(Node::Empty);
        }
        if self.eat("?P<") || self.eat("?<") {
            let Some((_, rest)) = self.rest.split_once('>') else {
                return Err(self.wrong("the name of a group does not end"));
            };
            self.rest = rest;
        } else if self.rest.starts_with('?') {
            return Err(self.wrong("a group starts with signs that are not known"));
        }
        let number = self.groups;
        self.groups += 1;
        Ok(Node::Group(number, Box::new(self.closed()?)))
    }

    fn closed(&mut self) -> Result<Node> {
        let node = self.either()?;
        if !self.eat(")") {
            return Err(self.wrong("a parenthesis is not closed"));
        }
        Ok(node)
    }

    fn escape(&mut self) -> Result<Node> {
        let Some(ch) = self.next() else {
            return Err(self.wrong("it ends with a backslash"));
        };
        if let Some(class) = class_of(ch) {
            let classes = vec![class];
            let set = Set {
                classes,
                ..Set::default()
            };
            return Ok(Node::One(Step::Set(set)));
        }
        Ok(Node::One(match ch {
            'b' => Step::Boundary(true),
            'B' => Step::Boundary(false),
            'A' => Step::Start,
            'z' => Step::End,
            'Z' => Step::LastEnd,
            '1'..='9' => Step::Back(ch.to_digit(10).and_then(|d| d.try_into().ok()).unwrap_or(0)),
            ch => Step::Letter(self.letter(ch)?),
        }))
    }

    /// The character an escape stands for.
    fn letter(&mut self, ch: char) -> Result<char> {
        Ok(match ch {
            'n' => '\n',
            't' => '\t',
            'r' => '\r',
            'f' => '\u{c}',
            'v' => '\u{b}',
            'e' => '\u{1b}',
            'x' => {
                let digits = match self.rest.strip_prefix('{') {
                    Some(inside) => inside.split_once('}'),
                    None => self.rest.split_at_checked(2),
                };
                let code = digits.and_then(|(digits, rest)| {
                    self.rest = rest;
                    u32::from_str_radix(digits, 16).ok()
                });
                let letter = code.and_then(char::from_u32);
                letter.ok_or_else(|| self.wrong("\\x is not followed by a character's digits"))?
            }
            ch if ch.is_ascii_alphanumeric() => {
                return Err(self.wrong(&format!("\\{ch} is not known")));
            }
            ch => ch,
        })
    }

    fn set(&mut self) -> Result<Set> {
        let mut set = Set {
            negative: self.eat("^"),
            ..Set::default()
        };
        let mut first = true;
        loop {
            let Some(ch) = self.next() else {
                return Err(self.wrong("a bracket is not closed"));
            };
            if ch == ']' && !first {
                return Ok(set);
            }
            first = false;
            if ch == '[' && self.rest.starts_with(':') {
                set.classes.push(self.named()?);
                continue;
            }
            let mut from = ch;
            if ch == '\\' {
                let Some(escaped) = self.next() else {
                    return Err(self.wrong("a bracket is not closed"));
                };
                if let Some(class) = class_of(escaped) {
                    set.classes.push(class);
                    continue;
                }
                from = if escaped == 'b' {
                    '\u{8}'
                } else {
                    self.letter(escaped)?
                };
            }
            let mut to = from;
            let after = self.rest.strip_prefix('-');
            if let Some(after) = after.filter(|after| !after.starts_with(']')) {
                self.rest = after;
                to = match self.next() {
                    Some('\\') => {
                        let escaped = self.next().unwrap_or('\\');
                        self.letter(escaped)?
                    }
                    Some(ch) => ch,
                    None => return Err(self.wrong("a bracket is not closed")),
                };
                if to < from {
                    return Err(self.wrong("a range is in the wrong order"));
                }
            }
            set.ranges.push((from, to));
        }
    }

    fn named(&mut self) -> Result<(Class, bool)> {
        let found = self
            .rest
            .strip_prefix(':')
            .and_then(|rest| rest.split_once(":]"));
        let Some((name, rest)) = found else {
            return Err(self.wrong("a class does not end"));
        };
        self.rest = rest;
        let yes = !name.starts_with('^');
        let class = match name.trim_start_matches('^') {
            "alpha" => Class::Alpha,
            "alnum" => Class::Alnum,
            "digit" => Class::Digit,
            "upper" => Class::Upper,
            "lower" => Class::Lower,
            "punct" => Class::Punct,
            "space" => Class::Space,
            "blank" => Class::Blank,
            "cntrl" => Class::Control,
            "xdigit" => Class::Hex,
            "print" => Class::Print,
            "graph" => Class::Graph,
            "word" => Class::Word,
            _ => return Err(self.wrong("a class is not known")),
        };
        Ok((class, yes))
    }
}

fn class_of(ch: char) -> Option<(Class, bool)> {
    Some(match ch {
        'd' => (Class::Digit, true),
        'D' => (Class::Digit, false),
        'w' => (Class::Word, true),
        'W' => (Class::Word, false),
        's' => (Class::Space, true),
        'S' => (Class::Space, false),
        _ => return None,
    })
}

fn push(program: &mut Program, step: Step) -> Result<usize> {
    if program.steps.len() >= PROGRAM_MAX {
        return Err(Error::new(
            SqlState::STATEMENT_TOO_COMPLEX,
            "the regular expression is too large",
        )
        .with_hint("Repeat fewer times"));
    }
    program.steps.push(step);
    Ok(program.steps.len() - 1)
}

fn patch(program: &mut Program, at: usize, step: Step) {
    if let Some(place) = program.steps.get_mut(at) {
        *place = step;
    }
}

fn emit(program: &mut Program, node: &Node) -> Result<()> {
    match node {
        Node::Empty => {}
        Node::One(step) => {
            push(program, step.clone())?;
        }
        Node::Sequence(nodes) => {
            for node in nodes {
                emit(program, node)?;
            }
        }
        Node::Either(branches) => {
            let mut ends = Vec::new();
            let last = branches.len().saturating_sub(1);
            for (index, branch) in branches.iter().enumerate() {
                if index == last {
                    emit(program, branch)?;
                    break;
                }
                let split = push(program, Step::Match)?;
                emit(program, branch)?;
                ends.push(push(program, Step::Match)?);
                let second = program.steps.len();
                let first = split + 1;
                patch(program, split, Step::Split { first, second });
            }
            let end = program.steps.len();
            for place in ends {
                patch(program, place, Step::Jump(end));
            }
        }
        Node::Group(number, inner) => {
            push(program, Step::Save(number * 2))?;
            emit(program, inner)?;
            push(program, Step::Save(number * 2 + 1))?;
        }
        Node::Repeat {
            node,
            least,
            most,
            greedy,
            possessive,
        } => {
            if *possessive {
                let atomic = push(program, Step::Match)?;
                repeat(program, node, *least, *most, true)?;
                push(program, Step::Match)?;
                let end = program.steps.len();
                patch(program, atomic, Step::Atomic { end });
            } else {
                repeat(program, node, *least, *most, *greedy)?;
            }
        }
        Node::Atomic(inner) => {
            let atomic = push(program, Step::Match)?;
            emit(program, inner)?;
            push(program, Step::Match)?;
            let end = program.steps.len();
            patch(program, atomic, Step::Atomic { end });
        }
        Node::Look {
            node,
            negative,
            behind,
        } => {
            let back = match (behind, width(node)) {
                (false, _) => None,
                (true, Some(width)) => Some(width),
                (true, None) => {
                    return Err(Error::unsupported(
                        "look-behind of more than one length",
                        "Write one look-behind for each length",
                    ));
                }
            };
            let look = push(program, Step::Match)?;
            emit(program, node)?;
            push(program, Step::Match)?;
            let end = program.steps.len();
            let negative = *negative;
            patch(
                program,
                look,
                Step::Look {
                    end,
                    negative,
                    back,
                },
            );
        }
    }
    Ok(())
}

fn repeat(
    program: &mut Program,
    node: &Node,
    least: usize,
    most: Option<usize>,
    greedy: bool,
) -> Result<()> {
    let split = |inside: usize, outside: usize| {
        if greedy {
            Step::Split {
                first: inside,
                second: outside,
            }
        } else {
            Step::Split {
                first: outside,
                second: inside,
            }
        }
    };
    for _ in 0..least {
        emit(program, node)?;
    }
    let Some(most) = most else {
        // A round that matches nothing ends the loop.
        let slot = program.slots;
        program.slots += 1;
        let start = push(program, Step::Match)?;
        push(program, Step::Save(slot))?;
        emit(program, node)?;
        push(program, Step::Moved(slot))?;
        push(program, Step::Jump(start))?;
        let end = program.steps.len();
        patch(program, start, split(start + 1, end));
        return Ok(());
    };
    let mut splits = Vec::new();
    for _ in least..most {
        splits.push(push(program, Step::Match)?);
        emit(program, node)?;
    }
    let end = program.steps.len();
    for place in splits {
        patch(program, place, split(place + 1, end));
    }
    Ok(())
}

/// How many characters a part always matches; `None` if it varies.
fn width(node: &Node) -> Option<usize> {
    match node {
        Node::Empty | Node::Look { .. } => Some(0),
        Node::One(Step::Letter(_) | Step::Any(_) | Step::Set(_)) => Some(1),
        Node::One(Step::Back(_)) => None,
        Node::One(_) => Some(0),
        Node::Sequence(nodes) => nodes.iter().map(width).sum(),
        Node::Either(branches) => {
            let mut widths = branches.iter().map(width);
            let first = widths.next().flatten()?;
            widths.all(|width| width == Some(first)).then_some(first)
        }
        Node::Group(_, inner) | Node::Atomic(inner) => width(inner),
        Node::Repeat {
            node, least, most, ..
        } => (*most == Some(*least)).then(|| width(node).map(|width| width * least))?,
    }
}
