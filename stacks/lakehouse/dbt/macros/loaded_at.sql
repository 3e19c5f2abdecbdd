{# When a row came into its table. #}
{% macro loaded_at() -%}
    getdate() as loaded_at
{%- endmacro %}
