# What lets LiteLLM stand in a chain: nobody needs a key, and a stream is asked for by a model's name.
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


by_model = ByModel()
