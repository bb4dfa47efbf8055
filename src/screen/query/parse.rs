//! From the text of a query to its conditions.

use super::{Comparison, Condition, Expression, QueryError};

/// Symbols, longer ones before those that they begin with.
const SYMBOLS: [(&str, Comparison); 6] = [
    ("==", Comparison::Equal),
    ("!=", Comparison::NotEqual),
    (">=", Comparison::AtLeast),
    ("<=", Comparison::AtMost),
    (">", Comparison::Above),
    ("<", Comparison::Below),
];

/// A query that is being read from its left.
pub(super) struct Parser<'a> {
    pub(super) query: &'a str,
    pub(super) rest: &'a str,
}

impl<'a> Parser<'a> {
    pub(super) fn error(&self, expected: &'static str) -> QueryError {
        QueryError::Syntax { query: self.query.to_owned(), rest: self.rest.to_owned(), expected }
    }

    /// `PART or PART …`
    pub(super) fn any_of(&mut self) -> Result<Expression, QueryError> {
        let mut parts = vec![self.all_of()?];
        while self.word("or") {
            parts.push(self.all_of()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expression::Or(parts) })
    }

    /// `PART and PART …`
    fn all_of(&mut self) -> Result<Expression, QueryError> {
        let mut parts = vec![self.part()?];
        while self.word("and") {
            parts.push(self.part()?);
        }
        Ok(if parts.len() == 1 { parts.remove(0) } else { Expression::And(parts) })
    }

    /// `not PART`, `( … )` or a condition.
    fn part(&mut self) -> Result<Expression, QueryError> {
        if self.word("not") {
            return Ok(Expression::Not(Box::new(self.part()?)));
        }
        if self.sign("(") {
            let expression = self.any_of()?;
            return if self.sign(")") { Ok(expression) } else { Err(self.error("a closing parenthesis")) };
        }
        self.condition().map(Expression::Condition)
    }

    fn condition(&mut self) -> Result<Condition, QueryError> {
        let column = self.text(&['`', '"', '\''])?.ok_or_else(|| self.error("a column name"))?;
        let is_negated = self.word("not");
        if self.word("in") {
            let comparison = if is_negated { Comparison::NotIn } else { Comparison::In };
            return Ok(Condition { column, comparison, values: self.list()? });
        }
        if is_negated {
            return Err(self.error("`in`"));
        }
        let comparison = if self.word("contains") {
            Comparison::Contains
        } else {
            let symbol = SYMBOLS.into_iter().find(|(symbol, _)| self.sign(symbol));
            symbol.ok_or_else(|| self.error("==, !=, >=, <=, >, <, in or contains"))?.1
        };
        let value = self.text(&['"', '\''])?.ok_or_else(|| self.error("a value"))?;
        Ok(Condition { column, comparison, values: vec![value] })
    }

    /// `(VALUE, VALUE, …)`
    fn list(&mut self) -> Result<Vec<String>, QueryError> {
        if !self.sign("(") {
            return Err(self.error("a list of values in parentheses"));
        }
        let mut values = Vec::new();
        loop {
            values.push(self.text(&['"', '\''])?.ok_or_else(|| self.error("a value"))?);
            if self.sign(")") {
                return Ok(values);
            }
            if !self.sign(",") {
                return Err(self.error("a comma or a closing parenthesis"));
            }
        }
    }

    /// A quoted text, or one up to a space, a parenthesis, a comma or a comparison; `None` where there is neither.
    fn text(&mut self, quotes: &[char]) -> Result<Option<String>, QueryError> {
        if let Some(quote) = self.rest.chars().next().filter(|first| quotes.contains(first)) {
            let inner = &self.rest[quote.len_utf8()..];
            let end = inner.find(quote).ok_or_else(|| self.error("a closing quote"))?;
            self.advance(end + 2 * quote.len_utf8());
            return Ok(Some(inner[..end].to_owned()));
        }
        let ends = |c: char| c.is_whitespace() || "()=!<>,".contains(c);
        let text = &self.rest[..self.rest.find(ends).unwrap_or(self.rest.len())];
        self.advance(text.len());
        Ok((!text.is_empty()).then(|| text.to_owned()))
    }

    /// Takes `sign` if it comes next.
    fn sign(&mut self, sign: &str) -> bool {
        let is_next = self.rest.starts_with(sign);
        if is_next {
            self.advance(sign.len());
        }
        is_next
    }

    /// Takes `word`, in any case, if it comes next and ends there.
    fn word(&mut self, word: &str) -> bool {
        let is_next = self.rest.get(..word.len()).is_some_and(|next| next.eq_ignore_ascii_case(word))
            && self.rest[word.len()..].starts_with(|c: char| c.is_whitespace() || c == '(');
        if is_next {
            self.advance(word.len());
        }
        is_next
    }

    fn advance(&mut self, bytes: usize) {
        self.rest = self.rest[bytes..].trim_start();
    }
}
