//! A copy of a server is the server: it goes on like the original, to the byte.

use crate::server::Server;

#[test]
fn a_copy_may_go_to_another_thread() {
    fn is_copied_and_sent<T: Clone + Send + 'static>() {}
    is_copied_and_sent::<Server>();
}
