"""Caption a dataset with a model behind an OpenAI-compatible API."""

from dataflow.operators.core_vision import ImageCaptionGenerator
from dataflow.serving.api_vlm_serving_openai import APIVLMServing_openai
from dataflow.utils.storage import FileStorage

serving = APIVLMServing_openai(
    api_url="https://api.openai.com/v1",
    key_name_of_api_key="DF_API_KEY",
    model_name="gpt-4o",
    image_io=None,
    send_request_stream=False,
    max_workers=10,
    timeout=1800,
)
captioner = ImageCaptionGenerator(
    llm_serving=serving,
    system_prompt="You are an image captioner. Describe what is there, and only that.",
)
storage = FileStorage(
    first_entry_file_name="./capsbench_captions.json",
    cache_path="./cache_local",
    file_name_prefix="caption_task",
    cache_type="json",
)
storage.step()
captioner.run(storage=storage, input_modal_key="image", output_key="caption")
serving.cleanup()
