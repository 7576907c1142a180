//! The handlers of a node: one for each request type, the same for calls from here and from afar.

use crate::error::Refusal;
use crate::request::{Answer, Incoming, Request};
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::any::Any;
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, PoisonError, RwLock};

/// How deep a message may nest: ours nest by a handful, and a decoder recurses.
const DEPTH_MAX: usize = 64;

/// A value whose type both ends know.
pub(crate) type AnyValue = Box<dyn Any + Send>;

/// A request that is being handled.
pub(crate) type Handling = BoxFuture<'static, Result<Answer<Bytes>, Refusal>>;

/// The bytes are not a request of this type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Undecodable;

/// A handler whose request type is forgotten.
pub(crate) trait Handle: Send + Sync {
    /// Decodes; handles and encodes when it is awaited.
    fn remote(&self, call: Incoming<Bytes>) -> Result<Handling, Undecodable>;
    /// Handles a value of the request type; the reply is a value of the reply type.
    fn local(&self, call: Incoming<AnyValue>) -> BoxFuture<'static, Result<Answer<AnyValue>, Refusal>>;
}

/// All handlers, by the name of their request.
#[derive(Default)]
pub(crate) struct Handlers(RwLock<BTreeMap<&'static str, Arc<dyn Handle>>>);

impl Handlers {
    /// Adds a handler. Two for one name are a mistake of the program.
    pub fn add<R, F, Fut>(&self, handler: F)
    where
        R: Request,
        F: Fn(Incoming<R>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Answer<R::Reply>, Refusal>> + Send + 'static,
    {
        assert!(is_name(R::NAME), "{:?} is not a name for a request", R::NAME);
        let typed: Arc<dyn Handle> = Arc::new(Typed { handler, request: PhantomData::<fn(R)> });
        let earlier = self.0.write().unwrap_or_else(PoisonError::into_inner).insert(R::NAME, typed);
        assert!(earlier.is_none(), "{:?} has two handlers", R::NAME);
    }

    /// The handler of this name.
    pub fn get(&self, name: &str) -> Option<Arc<dyn Handle>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Drops all of them, and with them what they hold.
    pub fn clear(&self) {
        let all = std::mem::take(&mut *self.0.write().unwrap_or_else(PoisonError::into_inner));
        drop(all);
    }
}

/// Words of lower-case letters, digits, `_` and `-` with slashes between them.
fn is_name(name: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    name.split('/').all(|word| !word.is_empty() && word.chars().all(is_letter))
}

struct Typed<R, F> {
    handler: F,
    request: PhantomData<fn(R)>,
}

impl<R, F, Fut> Typed<R, F>
where
    R: Request,
    F: Fn(Incoming<R>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Answer<R::Reply>, Refusal>> + Send + 'static,
{
    /// A panic in a handler is a failed call and nothing else.
    fn run<T>(
        &self,
        call: Incoming<T>,
        request: R,
    ) -> impl Future<Output = Result<Answer<R::Reply>, Refusal>> + Send + 'static {
        let Incoming { from, attachment, level, limit, request: _ } = call;
        let call = Incoming { from, request, attachment, level, limit };
        let started = std::panic::catch_unwind(AssertUnwindSafe(|| (self.handler)(call)));
        async move {
            let Ok(running) = started else { return Err(Refusal::Failed) };
            AssertUnwindSafe(running).catch_unwind().await.unwrap_or(Err(Refusal::Failed))
        }
    }
}

impl<R, F, Fut> Handle for Typed<R, F>
where
    R: Request,
    F: Fn(Incoming<R>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Answer<R::Reply>, Refusal>> + Send + 'static,
{
    fn remote(&self, call: Incoming<Bytes>) -> Result<Handling, Undecodable> {
        let request = decode::<R>(&call.request).map_err(|_| Undecodable)?;
        let running = self.run(call, request);
        let handling = async move {
            let Answer { reply, attachment } = running.await?;
            let reply = encode(&reply).map_err(|_| Refusal::Failed)?;
            Ok(Answer { reply, attachment })
        };
        Ok(handling.boxed())
    }

    fn local(&self, call: Incoming<AnyValue>) -> BoxFuture<'static, Result<Answer<AnyValue>, Refusal>> {
        let Incoming { from, request, attachment, level, limit } = call;
        let Ok(request) = request.downcast::<R>() else {
            return async { Err(Refusal::Malformed) }.boxed();
        };
        let call = Incoming { from, request: (), attachment, level, limit };
        let running = self.run(call, *request);
        async move {
            let Answer { reply, attachment } = running.await?;
            Ok(Answer { reply: Box::new(reply) as AnyValue, attachment })
        }
        .boxed()
    }
}

/// The bytes of a request, reply or refusal.
pub(crate) fn encode<T: serde::Serialize>(value: &T) -> Result<Bytes, rmp_serde::encode::Error> {
    rmp_serde::to_vec(value).map(Bytes::from)
}

/// The value in these bytes. What follows it is skipped.
pub(crate) fn decode<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, rmp_serde::decode::Error> {
    let mut decoder = rmp_serde::Deserializer::from_read_ref(bytes);
    decoder.set_max_depth(DEPTH_MAX);
    T::deserialize(&mut decoder)
}
