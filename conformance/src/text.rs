//! Compares two texts line by line: lines that are in one of them alone.

/// Lines that are only in `old` with `-` in front, those only in `new` with `+`; what is in both is left out.
pub fn difference(old: &str, new: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    changes(&old, &new).into_iter().map(|(sign, line)| format!("{sign} {line}\n")).collect()
}

/// The same with `context` lines around each change, and `…` where lines are left out; at most `most` lines.
pub fn difference_in_context(old: &str, new: &str, context: usize, most: usize) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (old.lines().collect(), new.lines().collect());
    let all = aligned(&old, &new);
    let near = |at: usize| {
        let range = at.saturating_sub(context)..(at + context + 1).min(all.len());
        all[range].iter().any(|(sign, _)| *sign != ' ')
    };
    let mut out = Vec::new();
    for (at, (sign, line)) in all.iter().enumerate() {
        if near(at) {
            out.push(format!("{sign} {line}"));
        } else if out.last().is_some_and(|last| last != "…") {
            out.push("…".to_owned());
        }
    }
    if out.len() > most {
        let left = out.len() - most;
        out.truncate(most);
        out.push(format!("… and {left} lines more"));
    }
    out.join("\n")
}

fn changes<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<(char, &'a str)> {
    aligned(old, new).into_iter().filter(|(sign, _)| *sign != ' ').collect()
}

/// All lines of both, those in both once, by their longest common subsequence. What is the same at both ends
/// is taken off first; the rest of what people compare is short.
fn aligned<'a>(old: &[&'a str], new: &[&'a str]) -> Vec<(char, &'a str)> {
    let head = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let (old_rest, new_rest) = (&old[head..], &new[head..]);
    let tail = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(|(a, b)| a == b).count();
    let (a, b) = (&old_rest[..old_rest.len() - tail], &new_rest[..new_rest.len() - tail]);
    let mut out: Vec<(char, &str)> = old[..head].iter().map(|line| (' ', *line)).collect();
    let width = b.len() + 1;
    let mut longest = vec![0u32; (a.len() + 1) * width];
    for i in (0..a.len()).rev() {
        for j in (0..b.len()).rev() {
            longest[i * width + j] = if a[i] == b[j] {
                longest[(i + 1) * width + j + 1] + 1
            } else {
                longest[(i + 1) * width + j].max(longest[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    while i < a.len() || j < b.len() {
        if i < a.len() && j < b.len() && a[i] == b[j] {
            out.push((' ', a[i]));
            (i, j) = (i + 1, j + 1);
        } else if i < a.len() && (j == b.len() || longest[(i + 1) * width + j] >= longest[i * width + j + 1])
        {
            out.push(('-', a[i]));
            i += 1;
        } else {
            out.push(('+', b[j]));
            j += 1;
        }
    }
    out.extend(old[old.len() - tail..].iter().map(|line| (' ', *line)));
    out
}

#[cfg(test)]
mod tests {
    use super::{difference, difference_in_context};

    #[test]
    fn only_what_differs_is_told() {
        assert_eq!(difference("a\nb\nc\nd", "a\nc\nx\nd"), "- b\n+ x\n");
        assert_eq!(difference("a", "a"), "");
        assert_eq!(difference("", "a\nb"), "+ a\n+ b\n");
    }

    #[test]
    fn context_shows_where_it_is() {
        let old: String = (0..30).map(|number| format!("{number}\n")).collect();
        let new = old.replace("15\n", "fifteen\n");
        assert_eq!(difference_in_context(&old, &new, 1, 99), "  14\n- 15\n+ fifteen\n  16\n…");
        assert_eq!(difference_in_context(&old, &new, 1, 2), "  14\n- 15\n… and 3 lines more");
    }
}
