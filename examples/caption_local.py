"""Caption a dataset with a model on this machine's GPU."""

from dataflow.operators.core_vision import ImageCaptionGenerator
from dataflow.serving.local_model_vlm_serving import LocalModelVLMServing_vllm
from dataflow.utils.storage import FileStorage

serving = LocalModelVLMServing_vllm(
    hf_model_name_or_path="Qwen/Qwen2.5-VL-7B-Instruct",
    vllm_tensor_parallel_size=1,
    vllm_max_tokens=512,
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
