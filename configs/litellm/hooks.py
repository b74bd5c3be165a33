# What lets LiteLLM stand in a chain: nobody needs a key, and a stream is asked for by its model. And two guardrails.
from litellm.integrations.custom_logger import CustomLogger
from litellm.proxy._types import UserAPIKeyAuth

UPSTREAM = "${UPSTREAM}/"


async def anyone(request, api_key):
    return UserAPIKeyAuth(api_key="anyone")


class ByModel(CustomLogger):
    async def async_pre_call_hook(self, user_api_key_dict, cache, data, call_type):
        """Of /engines/stream/ID/v1/chat/completions, stream/ID/v1 is the model: ask below that path upstream."""
        if "model" in data:
            data |= {"api_base": UPSTREAM + data["model"], "model": "token-stream-harness"}
        return data


class Collecting(CustomLogger):
    async def async_post_call_streaming_iterator_hook(self, user_api_key_dict, response, request_data):
        """A guardrail that wants the whole answer before anybody sees any of it."""
        for chunk in [chunk async for chunk in response]:
            yield chunk


class Looking(CustomLogger):
    async def async_post_call_streaming_iterator_hook(self, user_api_key_dict, response, request_data):
        """A guardrail that looks at each chunk and gives it on."""
        async for chunk in response:
            yield chunk


by_model, collecting, looking = ByModel(), Collecting(), Looking()
