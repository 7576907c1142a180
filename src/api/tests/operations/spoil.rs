//! Stored bytes that go bad: what the tests of this crate share, inside it and beside it.

use store::{Intent, Read, Space, Store, StoreError, Txn};

/// Flips a bit of a stored record.
pub async fn spoil(store: &Store, space: Space, key: Vec<u8>) {
    let flip = move |txn: &mut Txn<'_>| {
        let mut bytes = txn.get_bytes(space, &key)?.expect("the row is there").to_vec();
        *bytes.last_mut().expect("a record has a header") ^= 1;
        txn.put_bytes(space, key, bytes.into());
        Ok::<_, StoreError>(())
    };
    store.commit(Intent::Free, flip).await.unwrap();
}
